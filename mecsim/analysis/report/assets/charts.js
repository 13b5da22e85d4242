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

async function drawChart(figure) {
  const Plotly = await loadPlotly();
  const element = figure.querySelector(".plot"), { data, layout } = DATA.charts[figure.dataset.chart];
  await Plotly.newPlot(element, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
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
  document.getElementById("filter").addEventListener("change", async () => {
    const Plotly = await loadPlotly();
    for (const element of drawn.values()) await filterChart(Plotly, element);
  });
}
