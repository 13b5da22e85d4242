// Everything begins here; window.mecsim is what a person may ask in the console.
byId("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([byId("scenario").textContent], { type: "application/toml" }));
  link.download = "scenario.toml";
  link.click();
  URL.revokeObjectURL(link.href);
});
window.mecsim = { data: DATA, replay, gantt, runOf };
// A table that is wider than its place says so.
function hint() {
  document.querySelectorAll(".hint").forEach((note) => {
    const scroll = note.nextElementSibling;
    note.classList.toggle("on", scroll.clientWidth > 0 && scroll.scrollWidth > scroll.clientWidth + 1);
  });
}
hint();
window.addEventListener("resize", hint);
document.addEventListener("toggle", hint, true);
startCharts();
startNumbers();
startReplay().then(startGantt).then(() => { document.body.dataset.ready = "yes"; });
