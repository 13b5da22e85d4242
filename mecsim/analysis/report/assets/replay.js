// The replay: one clock, two maps.
const replay = {
  t: 0, playing: false, user: -1, pinned: false, runs: [null, null], frames: 0,
  views: [], last: 0,
};

function clockText(t) {
  const whole = Math.floor(t), pad = (value) => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${pad(Math.floor(whole / 60) % 60)}:${pad(whole % 60)} (${t.toFixed(1)} s)`;
}

const byId = (id) => document.getElementById(id);
const speed = () => Number(byId("speed").value);

replay.draw = () => {
  replay.views.forEach((view, side) => {
    const run = replay.runs[side];
    if (!run) return;
    view.draw(run, replay.t, replay.user, 0.8 * Math.max(speed(), 1));
    replay.about(side, run);
  });
  byId("clock").value = replay.t;
  byId("clock").setAttribute("aria-valuetext", clockText(replay.t));
  byId("now").textContent = clockText(replay.t);
  replay.frames++;
};

replay.about = (side, run) => {
  const list = byId(side ? "panel-right" : "panel-left").querySelector(".about");
  const n = replay.user;
  if (n < 0 || n >= run.userCount) {
    if (list.dataset.shown !== "none") describe(list, [["", "Point at a user, or choose one."]]);
    list.dataset.shown = "none";
    return;
  }
  const { round, phase, share } = run.doing(n, replay.t);
  const key = `${run.policy} ${n} ${round} ${phase} ${Math.floor(20 * share)} ${run.grantAt(n, replay.t)}`;
  if (list.dataset.shown === key) return;
  list.dataset.shown = key;
  const doing = phase < 0 ? "between rounds" : `${PHASE_NAMES[phase]}, ${Math.floor(100 * share)} % of the round`;
  const grants = aboutGrants(run, n, replay.t, "grants now");
  describe(list, [["user", nameOf(n)], ["now", doing], ...grants, ...(round < 0 ? [] : aboutRound(run, round))]);
};

replay.seek = (t) => {
  replay.t = Math.min(Math.max(t, 0), DATA.replay.until_s);
  replay.draw();
};

replay.tick = (now) => {
  if (!replay.playing) return;
  const past_s = Math.min((now - replay.last) / 1000, 0.25);
  replay.last = now;
  replay.t += past_s * speed();
  if (replay.t >= DATA.replay.until_s) {
    replay.t = DATA.replay.until_s;
    replay.play(false);
  }
  replay.draw();
  if (replay.playing) requestAnimationFrame(replay.tick);
};

replay.play = (on) => {
  if (on && replay.t >= DATA.replay.until_s) replay.t = 0;
  replay.playing = on;
  byId("play").textContent = on ? "Pause" : "Play";
  byId("play").setAttribute("aria-pressed", String(on));
  if (on) {
    replay.last = performance.now();
    requestAnimationFrame(replay.tick);
  }
};

replay.choose = async (side, policy) => {
  replay.runs[side] = policy === null ? null : await runOf(policy);
  const panel = byId(side ? "panel-right" : "panel-left");
  panel.hidden = policy === null;
  panel.querySelector("h3").textContent = policy ?? "";
  replay.draw();
};

replay.select = (user) => {
  replay.user = user;
  byId("who").value = String(user);
  replay.draw();
};

replay.key = (event) => {
  const jump = event.shiftKey ? 60 : 10, users = replay.runs[0]?.userCount ?? 0;
  const speeds = [...byId("speed").options].map((option) => option.value);
  const faster = (step) => {
    const at = speeds.indexOf(byId("speed").value) + step;
    byId("speed").value = speeds[Math.min(Math.max(at, 0), speeds.length - 1)];
  };
  const acts = {
    " ": () => replay.play(!replay.playing),
    ArrowLeft: () => replay.seek(replay.t - jump),
    ArrowRight: () => replay.seek(replay.t + jump),
    Home: () => replay.seek(0),
    End: () => replay.seek(DATA.replay.until_s),
    "+": () => faster(1),
    "-": () => faster(-1),
    ArrowUp: () => replay.select(Math.max(replay.user - 1, 0)),
    ArrowDown: () => replay.select(Math.min(replay.user + 1, users - 1)),
    Escape: () => { replay.pinned = false; replay.select(-1); },
  };
  const act = acts[event.key];
  if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (event.key.startsWith("Arrow") && replay.user >= 0) replay.pinned = true;
  act();
};

function swatch(draw) {
  const canvas = document.createElement("canvas"), ratio = window.devicePixelRatio || 1;
  canvas.width = canvas.height = 20 * ratio;
  canvas.style.width = canvas.style.height = "20px";
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  draw(context);
  return canvas;
}

function legend(element, entries) {
  element.replaceChildren(...entries.map(([text, draw]) => {
    const span = document.createElement("span");
    span.append(swatch(draw), text);
    return span;
  }));
}

function option(value, text) {
  const element = document.createElement("option");
  element.value = value;
  element.textContent = text;
  return element;
}

async function startReplay() {
  const policies = DATA.replay.runs.map((run) => run.policy);
  byId("left").append(...policies.map((policy, i) => option(i, policy)));
  byId("right").append(option(-1, "none"), ...policies.map((policy, i) => option(i, policy)));
  const two = policies.length > 1;
  byId("right").value = two ? "1" : "-1";
  byId("clock").max = DATA.replay.until_s;
  replay.views = ["panel-left", "panel-right"].map((id) => new MapView(byId(id).querySelector("canvas")));
  legend(byId("map-legend"), [
    ...DATA.replay.servers_m.slice(0, 12).map((_, m) => [`server ${m} and its users`, (c) => {
      shapePath(c, m, 10, 10, 7);
      c.fillStyle = serverColour(m);
      c.fill();
    }]),
    ...PHASE_NAMES.map((name, i) => [name, (c) => {
      c.beginPath();
      c.arc(10, 10, 7, -Math.PI / 2, Math.PI);
      c.lineWidth = 3;
      c.strokeStyle = PHASE_COLOURS[i];
      c.stroke();
    }]),
  ]);
  await Promise.all([replay.choose(0, policies[0]), replay.choose(1, two ? policies[1] : null)]);
  const users = Math.max(...replay.runs.filter(Boolean).map((run) => run.userCount));
  byId("who").append(option(-1, "none"), ...Array.from({ length: users }, (_, n) => option(n, nameOf(n))));
  byId("play").addEventListener("click", () => replay.play(!replay.playing));
  byId("clock").addEventListener("input", (event) => replay.seek(Number(event.target.value)));
  ["left", "right"].forEach((id, side) => byId(id).addEventListener("change", ({ target }) =>
    replay.choose(side, target.value === "-1" ? null : policies[Number(target.value)])));
  byId("who").addEventListener("change", ({ target }) => {
    replay.pinned = target.value !== "-1";
    replay.select(Number(target.value));
  });
  replay.views.forEach((view) => {
    view.canvas.addEventListener("keydown", replay.key);
    view.canvas.addEventListener("pointermove", (event) => {
      if (!replay.pinned) replay.select(view.near(event));
    });
    view.canvas.addEventListener("click", (event) => {
      const user = view.near(event);
      replay.pinned = user >= 0;
      replay.select(user);
    });
  });
  window.addEventListener("resize", replay.draw);
  dark.addEventListener("change", replay.draw);
}
