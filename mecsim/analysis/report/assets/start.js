// Everything begins here; window.mecsim is what a person may ask in the console.
byId("save").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([byId("scenario").textContent], { type: "application/toml" }));
  link.download = "scenario.toml";
  link.click();
  URL.revokeObjectURL(link.href);
});
window.mecsim = { data: DATA, replay, gantt, runOf };
startCharts();
startNumbers();
startReplay().then(startGantt).then(() => { document.body.dataset.ready = "yes"; });
