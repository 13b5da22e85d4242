// Plotly's charts, drawn when they come into view; the filter hides policies in all of them.
let plotly = null;
const drawn = new Map();

function loadPlotly() {
  plotly ??= bytesOf("plotly").then((buffer) => {
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(buffer);
    document.head.append(script);
    return window.Plotly;
  });
  return plotly;
}

// Where plotly writes and rules, in the colours of the page; its data keep theirs.
function themed(layout) {
  const axes = Object.keys(layout).filter((name) => /^[xy]axis/.test(name));
  const colours = { gridcolor: theme("grid"), linecolor: theme("soft"), zerolinecolor: theme("edge") };
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { ...layout.font, color: theme("ink") },
    ...Object.fromEntries(axes.map((name) => [name, { ...layout[name], ...colours }])),
  };
}

async function drawChart(figure) {
  const Plotly = await loadPlotly();
  const element = figure.querySelector(".plot"), { data, layout } = DATA.charts[figure.dataset.chart];
  await Plotly.newPlot(element, data, { ...layout, ...themed(layout) }, { responsive: true, displaylogo: false, displayModeBar: false });
  drawn.set(figure.dataset.chart, element);
  await filterChart(Plotly, element);
  element.dataset.ready = "yes";
}

function shownPolicies() {
  return new Set([...document.querySelectorAll("#filter input:checked")].map((box) => box.value));
}

async function filterChart(Plotly, element) {
  const shown = shownPolicies();
  const visible = element.data.map((trace) => !trace.meta.policy || shown.has(trace.meta.policy));
  await Plotly.restyle(element, { visible });
}

function startCharts() {
  const figures = [...document.querySelectorAll(".chart")].filter((figure) => figure.querySelector(".plot"));
  if (!figures.length) return;
  const watch = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      drawChart(target);
    }
  }, { rootMargin: "400px" });
  figures.forEach((figure) => watch.observe(figure));
  window.addEventListener("beforeprint", () => figures.forEach((figure) => drawn.has(figure.dataset.chart) || drawChart(figure)));
  dark.addEventListener("change", async () => {
    const Plotly = await loadPlotly();
    for (const element of drawn.values()) await Plotly.relayout(element, themed(element.layout));
  });
  document.getElementById("filter").addEventListener("change", async () => {
    const Plotly = await loadPlotly();
    for (const element of drawn.values()) await filterChart(Plotly, element);
  });
}
