// The numbers behind a chart as a table, made when somebody opens it.
function plainText(html) {
  return new DOMParser().parseFromString(html, "text/html").documentElement.textContent;
}

// One row a value of the first axis where all series share it, else one row a point.
function numbersOf({ data, layout }) {
  const x = layout.xaxis.title.text || "policy", y = layout.yaxis.title.text;
  const series = data.filter((trace) => trace.yaxis !== "y2" && trace.x.length);
  const name = (trace) => plainText(trace.name), plain = (at) => (typeof at === "string" ? plainText(at) : at);
  const first = JSON.stringify(series[0]?.x);
  if (series.length > 1 && series.every((trace) => JSON.stringify(trace.x) === first)) {
    const heads = [x, ...series.map((trace) => `${name(trace)}: ${y}`)];
    return { heads, rows: series[0].x.map((at, i) => [plain(at), ...series.map((trace) => trace.y[i])]) };
  }
  const known = series.some((trace) => trace.error_y);
  const end = (trace, side, i) => (trace.error_y?.[side][i] ? trace.y[i] + (side === "array" ? 1 : -1) * trace.error_y[side][i] : "");
  const ends = (trace, i) => (known ? ["arrayminus", "array"].map((side) => end(trace, side, i)) : []);
  const points = (trace) => trace.x.map((at, i) => [name(trace), plain(at), trace.y[i], ...ends(trace, i)]);
  return { heads: ["series", x, y, ...(known ? ["95 % interval from", "to"] : [])], rows: series.flatMap(points) };
}

function marksOf({ data, layout }) {
  const rows = data.filter((trace) => trace.yaxis === "y2")
    .flatMap((trace) => trace.x.filter((at) => at !== null).map((at) => [plainText(trace.name), at]));
  return { heads: ["what", layout.xaxis.title.text], rows };
}

function tableOf(caption, { heads, rows }) {
  const table = document.createElement("table");
  table.className = "numbers";
  table.createCaption().textContent = caption;
  const line = (section, kind, texts) => section.insertRow().append(...texts.map((text) =>
    Object.assign(document.createElement(kind), { textContent: text ?? "–" })));
  line(table.createTHead(), "th", heads);
  const body = table.createTBody();
  for (const row of rows) line(body, "td", row);
  return table;
}

function startNumbers() {
  for (const details of document.querySelectorAll(".chart details")) {
    details.addEventListener("toggle", () => {
      const place = details.querySelector(".scroll"), figure = details.closest(".chart");
      if (!details.open || place.childElementCount) return;
      const chart = DATA.charts[figure.dataset.chart], marks = marksOf(chart);
      place.append(tableOf(figure.querySelector("figcaption").textContent, numbersOf(chart)));
      if (marks.rows.length) place.append(tableOf("Handovers, and decisions held or late", marks));
    });
  }
}
