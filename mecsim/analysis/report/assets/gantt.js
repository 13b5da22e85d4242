// Rounds of every user over time: a bar a round, a colour a phase, a strip below for the server.
const gantt = { run: null, rows: [], from: 0, to: 1, user: -1, round: -1, row: 22, gutter: 64, axis: 30 };
const MOST_ROWS = 300;

const GANTT_KEPT = {
  all: () => true,
  handover: (r, i) => r.handovers[i] > 0,
  stall: (r, i) => r.stall_s[i] > 0,
  interruption: (r, i) => r.interruption_s[i] > 0,
  lost: (r, i) => r.outcome[i] > 0,
};

gantt.kept = (i) => GANTT_KEPT[byId("gantt-filter").value](gantt.run.rounds, i);
gantt.x = (t) => gantt.gutter + ((t - gantt.from) / (gantt.to - gantt.from)) * (gantt.width - gantt.gutter - 8);
gantt.time = (x) => gantt.from + ((x - gantt.gutter) / (gantt.width - gantt.gutter - 8)) * (gantt.to - gantt.from);

gantt.draw = () => {
  const { run } = gantt;
  if (!run) return;
  const canvas = byId("gantt"), ratio = window.devicePixelRatio || 1;
  gantt.width = canvas.clientWidth || 800;
  const there = gantt.users();
  gantt.rows = there.slice(0, MOST_ROWS);
  gantt.height = gantt.axis + Math.max(gantt.rows.length, 1) * gantt.row + 6;
  canvas.style.height = `${gantt.height}px`;
  canvas.width = Math.round(gantt.width * ratio);
  canvas.height = Math.round(gantt.height * ratio);
  const c = canvas.getContext("2d");
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.fillStyle = theme("page");
  c.fillRect(0, 0, gantt.width, gantt.height);
  gantt.ticks(c);
  const count = gantt.rows.reduce((sum, n, row) => sum + gantt.line(c, n, row), 0);
  const cut = there.length > MOST_ROWS ? `, the first ${MOST_ROWS} of ${there.length} users` : "";
  byId("gantt-count").textContent = `${count} rounds, ${number(gantt.from)} to ${number(gantt.to)} s${cut}`;
};

// Users with a round in view that the filter shows.
gantt.users = () => {
  const { run } = gantt, r = run.rounds, found = [];
  for (let n = 0; n < run.userCount; n++) {
    for (let i = run.roundAt(n, gantt.to); i >= r.first[n] && r.start_s[i] + run.length(i) >= gantt.from; i--) {
      if (!gantt.kept(i)) continue;
      found.push(n);
      break;
    }
  }
  return found;
};

gantt.ticks = (c) => {
  const span = gantt.to - gantt.from, rough = span / Math.max(2, gantt.width / 110);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((value) => value >= rough);
  c.font = TEXT;
  c.textAlign = "center";
  c.textBaseline = "top";
  for (let k = Math.ceil(gantt.from / step); k * step <= gantt.to; k++) {
    const x = gantt.x(k * step);
    c.fillStyle = theme("grid");
    c.fillRect(x, gantt.axis - 4, 1, gantt.height);
    c.fillStyle = theme("soft");
    c.fillText(`${number(k * step)} s`, Math.min(x, gantt.width - 28), 6);
  }
};

gantt.line = (c, n, row) => {
  const { run } = gantt, r = run.rounds, y = gantt.axis + row * gantt.row;
  c.fillStyle = theme("ink");
  c.font = n === gantt.user ? `bold ${TEXT}` : TEXT;
  c.textAlign = "right";
  c.textBaseline = "middle";
  c.fillText(`user ${n}`, gantt.gutter - 8, y + gantt.row / 2);
  let count = 0, drawnTo = -1;
  for (let i = r.first[n]; i < r.first[n + 1]; i++) {
    const end_s = r.start_s[i] + run.length(i);
    if (end_s < gantt.from || r.start_s[i] > gantt.to || !gantt.kept(i)) continue;
    count++;
    // What would fall on pixels that are drawn already is not drawn again.
    if (gantt.x(end_s) - drawnTo < 0.5 && i !== gantt.round) continue;
    gantt.bar(c, i, y);
    drawnTo = gantt.x(end_s);
  }
  return count;
};

gantt.bar = (c, i, y) => {
  const { run } = gantt, r = run.rounds, bottom = y + gantt.row - 7;
  const clip = (t) => Math.min(Math.max(gantt.x(t), gantt.gutter), gantt.width - 8);
  let t = r.start_s[i];
  PHASES.forEach((phase, k) => {
    const length = r[`${phase}_s`][i];
    if (length <= 0) return;
    const x = clip(t), width = Math.max(clip(t + length) - x, 0.4);
    c.fillStyle = PHASE_COLOURS[k];
    c.fillRect(x, y + 3, width, bottom - y - 3);
    t += length;
  });
  const begin = clip(r.start_s[i]), end = clip(t);
  const change = r.handovers[i] > 0 ? clip(Number.isNaN(r.switch_s[i]) ? t : r.switch_s[i]) : end;
  c.fillStyle = serverColour(r.server_first[i]);
  c.fillRect(begin, bottom + 1, change - begin, 4);
  c.fillStyle = serverColour(r.server_last[i]);
  c.fillRect(change, bottom + 1, end - change, 4);
  if (end - begin > 3) {
    c.fillStyle = theme("page");
    c.fillRect(end - 1, y + 3, 1, bottom - y + 2);
  }
  if (r.outcome[i] > 0) {
    c.strokeStyle = "#d00000";
    c.lineWidth = 2;
    c.strokeRect(begin, y + 2, Math.max(end - begin, 2), bottom - y);
  }
  if (i === gantt.round) {
    c.strokeStyle = theme("ink");
    c.lineWidth = 3;
    c.strokeRect(begin - 1, y + 2, Math.max(end - begin, 2) + 2, bottom - y + 4);
  }
};

gantt.show = (from, to) => {
  const until = DATA.replay.until_s, span = Math.min(Math.max(to - from, 0.01), until);
  gantt.from = Math.min(Math.max(from, 0), until - span);
  gantt.to = gantt.from + span;
  gantt.draw();
};

gantt.zoom = (factor, around = (gantt.from + gantt.to) / 2) =>
  gantt.show(around - (around - gantt.from) * factor, around + (gantt.to - around) * factor);

gantt.move = (share) => {
  const step = share * (gantt.to - gantt.from);
  gantt.show(gantt.from + step, gantt.to + step);
};

gantt.select = (user, round) => {
  gantt.user = user;
  gantt.round = round;
  const list = byId("round-about");
  if (round < 0) describe(list, [["", "Click a round for its numbers."]]);
  else {
    const start = gantt.run.rounds.start_s[round], grants = aboutGrants(gantt.run, user, start, "grants at its start");
    describe(list, [["user", String(user)], ["policy", gantt.run.policy], ...aboutRound(gantt.run, round), ...grants]);
    const  end = start + gantt.run.length(round), span = gantt.to - gantt.from;
    if (start < gantt.from || end > gantt.to) {
      gantt.show((start + end - span) / 2, (start + end + span) / 2);
      return;
    }
  }
  gantt.draw();
};

// The next round of a user that the filter shows, in steps of +1 or -1.
gantt.next = (user, from, step) => {
  const { first } = gantt.run.rounds;
  for (let i = from; i >= first[user] && i < first[user + 1]; i += step) if (gantt.kept(i)) return i;
  return -1;
};

gantt.beside = (step) => {
  const user = gantt.user < 0 ? gantt.rows[0] ?? 0 : gantt.user, start = gantt.run.roundAt(user, gantt.from);
  const from = gantt.round < 0 ? Math.max(start, gantt.run.rounds.first[user]) : gantt.round + step;
  const found = gantt.next(user, from, step);
  if (found >= 0) gantt.select(user, found);
};

gantt.above = (step) => {
  const { run } = gantt, rows = gantt.rows.length ? gantt.rows : [0];
  const user = rows[Math.min(Math.max(rows.indexOf(gantt.user) + step, 0), rows.length - 1)];
  const t = gantt.round < 0 ? gantt.from : run.rounds.start_s[gantt.round];
  const at = Math.max(run.roundAt(user, t), run.rounds.first[user]);
  const before = gantt.next(user, at, -1);
  gantt.select(user, before >= 0 ? before : gantt.next(user, at, 1));
};

gantt.key = (event) => {
  const acts = {
    ArrowLeft: () => gantt.beside(-1), ArrowRight: () => gantt.beside(1),
    ArrowUp: () => gantt.above(-1), ArrowDown: () => gantt.above(1),
    "+": () => gantt.zoom(0.5), "-": () => gantt.zoom(2), Home: () => gantt.show(0, DATA.replay.until_s),
    PageUp: () => gantt.move(-0.8), PageDown: () => gantt.move(0.8), Escape: () => gantt.select(-1, -1),
  };
  const act = acts[event.key];
  if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  act();
};

gantt.click = (event) => {
  const box = byId("gantt").getBoundingClientRect();
  const user = gantt.rows[Math.floor((event.clientY - box.top - gantt.axis) / gantt.row)];
  const t = gantt.time(event.clientX - box.left);
  if (user === undefined) return;
  const i = gantt.run.roundAt(user, t);
  const hit = i >= 0 && gantt.kept(i) && t <= gantt.run.rounds.start_s[i] + gantt.run.length(i);
  gantt.select(hit ? user : -1, hit ? i : -1);
};

gantt.choose = async (policy) => {
  gantt.run = await runOf(policy);
  gantt.select(-1, -1);
};

async function startGantt() {
  const policies = DATA.replay.runs.map((run) => run.policy), canvas = byId("gantt");
  byId("gantt-policy").append(...policies.map((policy, i) => option(i, policy)));
  legend(byId("gantt-legend"), PHASE_NAMES.map((name, i) => [name, (c) => {
    c.fillStyle = PHASE_COLOURS[i];
    c.fillRect(2, 4, 16, 12);
  }]).concat(DATA.replay.servers_m.slice(0, 12).map((_, m) => [`strip: server ${m}`, (c) => {
    c.fillStyle = serverColour(m);
    c.fillRect(2, 8, 16, 5);
  }])));
  gantt.to = Math.min(DATA.replay.until_s, 300);
  await gantt.choose(policies[0]);
  byId("gantt-policy").addEventListener("change", ({ target }) => gantt.choose(policies[Number(target.value)]));
  byId("gantt-filter").addEventListener("change", () => gantt.select(-1, -1));
  byId("gantt-in").addEventListener("click", () => gantt.zoom(0.5));
  byId("gantt-out").addEventListener("click", () => gantt.zoom(2));
  byId("gantt-back").addEventListener("click", () => gantt.move(-0.8));
  byId("gantt-on").addEventListener("click", () => gantt.move(0.8));
  byId("gantt-all").addEventListener("click", () => gantt.show(0, DATA.replay.until_s));
  byId("gantt-here").addEventListener("click", () => {
    const half = (gantt.to - gantt.from) / 2;
    gantt.show(replay.t - half, replay.t + half);
  });
  canvas.addEventListener("keydown", gantt.key);
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    gantt.zoom(event.deltaY > 0 ? 1.25 : 0.8, gantt.time(event.clientX - canvas.getBoundingClientRect().left));
  }, { passive: false });
  let pressed = null, moved = false;
  canvas.addEventListener("pointerdown", (event) => { pressed = event.clientX; moved = false; });
  canvas.addEventListener("pointermove", (event) => {
    if (pressed === null || (!moved && Math.abs(event.clientX - pressed) < 4)) return;
    moved = true;
    gantt.move((pressed - event.clientX) / (gantt.width - gantt.gutter - 8));
    pressed = event.clientX;
  });
  window.addEventListener("pointerup", () => { pressed = null; });
  canvas.addEventListener("click", (event) => { if (!moved) gantt.click(event); });
  window.addEventListener("resize", gantt.draw);
  dark.addEventListener("change", gantt.draw);
}
