// The data of this page: columns of numbers, unpacked when first asked for.
const dark = window.matchMedia("(prefers-color-scheme: dark)");

// A colour of the style sheet, light or dark as the reader's system is.
function theme(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

const DATA = JSON.parse(document.getElementById("data").textContent);
const unpacked = new Map();

function bytesOf(name) {
  if (!unpacked.has(name)) {
    const element = document.getElementById(`blob-${name}`);
    const text = atob(element.textContent.trim());
    element.remove();
    const packed = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(name, new Response(stream).arrayBuffer());
  }
  return unpacked.get(name);
}

async function columnsOf({ blob, layout }) {
  const buffer = await bytesOf(blob);
  const kinds = { float32: Float32Array, uint32: Uint32Array, uint8: Uint8Array };
  return Object.fromEntries(layout.map(({ name, type, at, length }) => [name, new kinds[type](buffer, at, length)]));
}

// Index of the last value <= x among values[from..to), or -1.
function lastAtOrBefore(values, x, from, to) {
  let low = from, high = to;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] <= x) low = middle + 1; else high = middle;
  }
  return low > from ? low - 1 : -1;
}

const PHASES = ["local", "uplink", "server", "downlink", "stall", "interruption"];
const PHASE_NAMES = ["training at the user", "uplink", "training at the server", "downlink", "stall", "interruption"];
const PHASE_COLOURS = ["#e3ca00", "#56b4e9", "#009e73", "#4a3a78", "#666666", "#000000"];
const SHAPES = ["circle", "square", "triangle", "diamond", "cross", "star", "pentagon", "wedge"];

// A run: where users are, which round is on, how far it is. All questions take the time in seconds.
class Run {
  constructor(policy, positions, rounds, grants) {
    this.policy = policy;
    this.positions = positions;
    this.rounds = rounds;
    this.grants = grants;
    this.userCount = positions.first.length - 1;
    const { time_s } = positions;
    this.sample_s = Infinity;
    for (let n = 0; n < this.userCount; n++) {
      for (let i = positions.first[n] + 1; i < positions.first[n + 1]; i++) {
        this.sample_s = Math.min(this.sample_s, time_s[i] - time_s[i - 1]);
      }
    }
  }

  place(user, t) {
    const { first, time_s, x_m, y_m } = this.positions;
    const from = first[user], to = first[user + 1];
    const i = lastAtOrBefore(time_s, t, from, to);
    if (i < 0) return null;
    const gap = t - time_s[i];
    if (i + 1 >= to) return gap <= this.sample_s ? [x_m[i], y_m[i]] : null;
    const step = time_s[i + 1] - time_s[i];
    if (step > 1.5 * this.sample_s) return gap <= this.sample_s ? [x_m[i], y_m[i]] : null;
    const share = gap / step;
    return [x_m[i] + share * (x_m[i + 1] - x_m[i]), y_m[i] + share * (y_m[i + 1] - y_m[i])];
  }

  length(i) {
    return PHASES.reduce((sum, phase) => sum + this.rounds[`${phase}_s`][i], 0);
  }

  roundAt(user, t) {
    const { first, start_s } = this.rounds;
    return first[user + 1] > first[user] ? lastAtOrBefore(start_s, t, first[user], first[user + 1]) : -1;
  }

  // The row of the grants that user n has, -1 if it has none; null where grants are not recorded.
  grantAt(user, t) {
    if (!this.grants) return null;
    const { first, in_force_s, bandwidth_hz } = this.grants, { first: sampled, time_s } = this.positions;
    const i = lastAtOrBefore(in_force_s, t, first[user], first[user + 1]);
    const left = time_s[sampled[user]] <= t && sampled[user] < sampled[user + 1] && !this.place(user, t);
    return i < 0 || left || Number.isNaN(bandwidth_hz[i]) ? -1 : i;
  }

  // What user n is doing: the round, its phase (-1 between rounds), the share that is over, the server.
  doing(user, t) {
    const i = this.roundAt(user, t);
    if (i < 0) return { round: -1, phase: -1, share: 0, server: -1 };
    const r = this.rounds;
    const switched = r.handovers[i] > 0 && (Number.isNaN(r.switch_s[i]) || t >= r.switch_s[i]);
    const server = switched ? r.server_last[i] : r.server_first[i];
    const length = this.length(i), gone = t - r.start_s[i];
    if (gone >= length) return { round: i, phase: -1, share: 1, server };
    let phase = 0, end = 0;
    for (; phase < PHASES.length; phase++) {
      end += r[`${PHASES[phase]}_s`][i];
      if (gone < end) break;
    }
    return { round: i, phase: Math.min(phase, PHASES.length - 1), share: gone / length, server };
  }
}

const RUNS = new Map();
async function runOf(policy) {
  if (!RUNS.has(policy)) {
    const entry = DATA.replay.runs.find((one) => one.policy === policy);
    const columns = [entry.positions, entry.rounds, entry.grants].map((one) => one && columnsOf(one));
    RUNS.set(policy, Promise.all(columns).then((all) => new Run(policy, ...all)));
  }
  return RUNS.get(policy);
}

function number(value, unit = "") {
  if (!Number.isFinite(value)) return "–";
  const text = Math.abs(value) >= 1e4 ? value.toFixed(0) : String(Number(value.toPrecision(4)));
  return unit ? `${text} ${unit}` : text;
}

// Terms and texts into a definition list, as text; a third value that is true begins a group.
function describe(list, pairs) {
  list.replaceChildren(...pairs.flatMap(([term, text, begins]) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = term;
    dt.classList.toggle("begins", Boolean(begins));
    dd.textContent = text;
    return [dt, dd];
  }));
}

function aboutRound(run, i) {
  const r = run.rounds;
  const power = (phase) => r[`${phase}_s`][i] > 0 ? number(r[`${phase}_j`][i] / r[`${phase}_s`][i], "W") : "–";
  const switched = r.handovers[i] > 0;
  return [
    ["round", `${r.round[i]}, ${DATA.replay.outcomes[r.outcome[i]].replaceAll("_", " ")}`, true],
    ["server", switched ? `first ${r.server_first[i]}, last ${r.server_last[i]}; handovers: ${r.handovers[i]}` : String(r.server_first[i])],
    ["start, delay", `${number(r.start_s[i], "s")}, ${number(run.length(i), "s")}`],
    ["share of the user φ", number(r.local_fraction[i])],
    ["user trains", `${number(r.local_s[i], "s")} at ${power("local")}`],
    ["uplink", `${number(r.uplink_s[i], "s")} at ${power("uplink")}`],
    ["server trains", `${number(r.server_s[i], "s")} at ${power("server")}`],
    ["downlink", `${number(r.downlink_s[i], "s")} at ${power("downlink")}`],
    ["stall, interruption", `${number(r.stall_s[i], "s")}, ${number(r.interruption_s[i], "s")}`],
    ["wait before", number(r.wait_s[i], "s")],
    ["energy", number(r.local_j[i] + r.uplink_j[i] + r.server_j[i] + r.downlink_j[i], "J")],
    ["score", number(r.score[i])],
  ];
}

const watts = (value) => (value > 0 && value < 1 ? number(1e3 * value, "mW") : number(value, "W"));

// What a user may use at some time, as the decision in force then says; `when` says which time that is.
function aboutGrants(run, user, t, when) {
  const i = run.grantAt(user, t), g = run.grants;
  if (i === null) return [[when, "not recorded: record.allocations = false", true]];
  if (i < 0) return [[when, "none", true]];
  return [
    [when, `since ${number(g.in_force_s[i], "s")}`, true],
    ["server, next φ", `${g.server[i]}, ${number(g.local_fraction[i])}`],
    ["bandwidth", number(g.bandwidth_hz[i] / 1e6, "MHz")],
    ["power up, down", `${watts(g.user_power_w[i])}, ${watts(g.server_power_w[i])}`],
    ["user's GPUs, each", number(g.user_gpu_flops[i] / 1e12, "TFLOP/s")],
    ["server's GPUs, each", number(g.server_gpu_flops[i] / 1e12, "TFLOP/s")],
  ];
}
