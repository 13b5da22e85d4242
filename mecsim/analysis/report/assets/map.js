// One map: servers, users, rings, links. It draws what it is told and owns no time.
const EDGE = 26;
const TEXT = "13px system-ui, 'DejaVu Sans', sans-serif";

function serverColour(server) {
  return server < 0 ? "#888" : DATA.palette[server % DATA.palette.length];
}

function shapePath(context, server, x, y, size) {
  const shape = SHAPES[Math.max(server, 0) % SHAPES.length];
  context.beginPath();
  if (shape === "circle") context.arc(x, y, size, 0, 2 * Math.PI);
  else if (shape === "square") context.rect(x - 0.88 * size, y - 0.88 * size, 1.76 * size, 1.76 * size);
  else {
    const corners = { triangle: 3, diamond: 4, cross: 12, star: 10, pentagon: 5, wedge: 3 }[shape];
    for (let k = 0; k < corners; k++) {
      const angle = (shape === "wedge" ? 0.5 : -0.5) * Math.PI + (2 * Math.PI * k) / corners;
      let radius = 1.2 * size;
      if (shape === "star" && k % 2) radius *= 0.5;
      if (shape === "cross" && k % 3 === 0) radius *= 0.5;
      context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
    }
    context.closePath();
  }
}

// A user's number, and the class in brackets where users have classes.
function nameOf(user) {
  const { classes, class_of: of } = DATA.replay;
  return classes?.length ? `${user} (${classes[of[user]]})` : String(user);
}

class MapView {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.dots = [];
  }

  fit() {
    const [width_m, height_m] = DATA.replay.size_m;
    const width = this.canvas.clientWidth || 480;
    const edges = 2 * EDGE, height = Math.round(Math.min(Math.max(((width - edges) * height_m) / width_m, 90) + edges, 620));
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.canvas.style.height = `${height}px`;
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.size = [width, height];
    // A metre is as long upwards as it is sideways.
    this.scale = Math.min((width - edges) / width_m, (height - edges) / height_m);
    this.corner = [(width - this.scale * width_m) / 2, (height - this.scale * height_m) / 2];
  }

  at([x_m, y_m]) {
    return [this.corner[0] + this.scale * x_m, this.size[1] - this.corner[1] - this.scale * y_m];
  }

  draw(run, t, selected, flash_s) {
    this.fit();
    const c = this.context, replay = DATA.replay;
    c.clearRect(0, 0, ...this.size);
    this.frame();
    const small = run.userCount > 40 ? 5 : 7;
    const states = [];
    for (let n = 0; n < run.userCount; n++) {
      const place = run.place(n, t);
      if (place) states.push({ user: n, place, at: this.at(place), ...run.doing(n, t) });
    }
    states.forEach((state) => this.link(state, run.userCount > 40 ? 1 : 2));
    replay.servers_m.forEach((place, m) => this.server(m, place, t));
    states.forEach((state) => this.user(run, state, t, small, selected, flash_s));
    this.names(states, small, selected);
    replay.servers_m.forEach((place, m) => this.serverName(m, place, t));
    this.dots = states;
  }

  frame() {
    const c = this.context, [width_m, height_m] = DATA.replay.size_m;
    const [x0, y0] = this.at([0, height_m]), [x1, y1] = this.at([width_m, 0]);
    c.fillStyle = theme("page");
    c.strokeStyle = theme("edge");
    c.lineWidth = 1;
    c.fillRect(x0, y0, x1 - x0, y1 - y0);
    c.strokeRect(x0, y0, x1 - x0, y1 - y0);
    c.fillStyle = theme("soft");
    c.font = TEXT;
    c.textAlign = "left";
    c.textBaseline = "bottom";
    // Below the ring of a user who stands on the border.
    c.fillText(`${number(width_m)} m × ${number(height_m)} m`, x0 + 2, y1 + 25);
  }

  isDown(m, t) {
    return DATA.replay.outages.some(([server, from, to]) => server === m && from <= t && t < to);
  }

  server(m, place, t) {
    const c = this.context, [x, y] = this.at(place), down = this.isDown(m, t);
    shapePath(c, m, x, y, 12);
    c.fillStyle = down ? theme("page") : serverColour(m);
    c.fill();
    c.lineWidth = 2;
    c.strokeStyle = theme("ink");
    c.setLineDash(down ? [3, 3] : []);
    c.stroke();
    c.setLineDash([]);
  }

  serverName(m, place, t) {
    const c = this.context, [at, y] = this.at(place), text = `server ${m}${this.isDown(m, t) ? " down" : ""}`;
    c.font = `bold ${TEXT}`;
    c.textAlign = "center";
    c.textBaseline = "bottom";
    c.lineWidth = 3;
    c.strokeStyle = theme("page");
    // Whole on the canvas, also beside its edge.
    const half = c.measureText(text).width / 2 + 3, x = Math.min(Math.max(at, half), this.size[0] - half);
    c.strokeText(text, x, y - 15);
    c.fillStyle = theme("ink");
    c.fillText(text, x, y - 15);
  }

  // The names of users, of each that lies over no other one.
  names(states, size, selected) {
    const taken = [], free = ({ user, at: [x, y] }) => {
      const box = [x + size + 4, y - 8, x + size + 12 + 8 * nameOf(user).length, y + 8];
      if (user !== selected && taken.some((o) => box[0] < o[2] && o[0] < box[2] && box[1] < o[3] && o[1] < box[3])) return false;
      taken.push(box);
      return true;
    };
    states.filter((state) => state.user !== selected).filter(free).forEach(({ user, at: [x, y] }) => this.name(user, x, y, size, false));
  }

  link({ phase, server, at }, width) {
    if ((phase !== 1 && phase !== 3) || !DATA.replay.servers_m[server]) return;
    const c = this.context;
    c.beginPath();
    c.moveTo(...at);
    c.lineTo(...this.at(DATA.replay.servers_m[server]));
    c.strokeStyle = PHASE_COLOURS[phase];
    c.lineWidth = width;
    c.setLineDash(phase === 1 ? [7, 4] : []);
    c.stroke();
    c.setLineDash([]);
  }

  user(run, { user, at: [x, y], round, phase, share, server }, t, size, selected, flash_s) {
    const c = this.context;
    shapePath(c, server, x, y, size);
    c.fillStyle = serverColour(server);
    c.fill();
    c.strokeStyle = theme("ink");
    c.lineWidth = 1;
    c.stroke();
    if (phase >= 0) {
      c.beginPath();
      c.arc(x, y, size + 4, 0, 2 * Math.PI);
      c.strokeStyle = "#e2e5e8";
      c.lineWidth = 3;
      c.stroke();
      c.beginPath();
      c.arc(x, y, size + 4, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * share);
      c.strokeStyle = PHASE_COLOURS[phase];
      c.stroke();
    }
    const switched = round >= 0 ? t - run.rounds.switch_s[round] : NaN;
    if (switched >= 0 && switched < flash_s) {
      c.beginPath();
      c.arc(x, y, size + 6 + (16 * switched) / flash_s, 0, 2 * Math.PI);
      c.strokeStyle = "#d00000";
      c.lineWidth = 3 * (1 - switched / flash_s) + 0.5;
      c.stroke();
    }
    if (user === selected) this.name(user, x, y, size, true);
  }

  name(user, x, y, size, selected) {
    const c = this.context;
    c.font = selected ? `bold ${TEXT}` : TEXT;
    c.textAlign = "left";
    c.textBaseline = "middle";
    c.lineWidth = 3;
    c.strokeStyle = theme("page");
    const beside = x + size + (selected ? 14 : 8);
    const text = nameOf(user);
    c.strokeText(text, beside, y);
    c.fillStyle = theme("ink");
    c.fillText(text, beside, y);
    if (!selected) return;
    c.beginPath();
    c.arc(x, y, size + 9, 0, 2 * Math.PI);
    c.lineWidth = 2;
    c.strokeStyle = theme("ink");
    c.stroke();
  }

  near(event) {
    const box = this.canvas.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const distance = ({ at }) => Math.hypot(at[0] - x, at[1] - y);
    const best = this.dots.reduce((a, b) => (a && distance(a) <= distance(b) ? a : b), null);
    return best && distance(best) < 18 ? best.user : -1;
  }
}
