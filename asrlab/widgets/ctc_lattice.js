// The lattice of CTC and the grid of the transducer: paths to walk, and the sums over all of them. The arithmetic is that
// of asrlab/scratch/ctc.py and transducer.py; tests/widgets/test_ctc_lattice.py holds them equal. Token 0 is the blank.

const NONE = -Infinity;
const MOST = 6; // letters of a target that the picture has room for
const BLANK = "∅";

export function collapse(path) {
  return path.filter((k, t) => k !== 0 && (t === 0 || k !== path[t - 1]));
}

export function withBlanks(target) {
  return [0, ...target.flatMap((k) => [k, 0])];
}

export function maySkip(states, s) {
  return s === 1 || (states[s] !== 0 && states[s] !== states[s - 2]); // s - 2 = -1 is the start, before all frames
}

export function framesNeeded(target) {
  return target.length + target.filter((k, i) => i > 0 && k === target[i - 1]).length;
}

function choose(n, k) {
  if (k < 0 || k > n) return 0;
  let ways = 1;
  for (let i = 1; i <= k; i += 1) ways = (ways * (n - k + i)) / i;
  return Math.round(ways);
}

export function countPaths(T, target) {
  const L = target.length;
  return choose(T + L - (framesNeeded(target) - L), 2 * L);
}

// The states from which state s can be entered, and those that can follow it.
function before(states, s) {
  return [s, s - 1, s - 2].filter((from, i) => from >= 0 && (i < 2 || maySkip(states, s)));
}
function after(states, s) {
  return [s, s + 1, s + 2].filter((to, i) => to < states.length && (i < 2 || maySkip(states, to)));
}

export function forward(logY, target) {
  const states = withBlanks(target), alpha = [];
  logY.forEach((row, t) => alpha.push(states.map((token, s) => {
    if (t === 0) return s < 2 ? row[token] : NONE;
    return logAdd(before(states, s).map((from) => alpha[t - 1][from])) + row[token];
  })));
  return alpha;
}

export function backward(logY, target) {
  const states = withBlanks(target), T = logY.length, S = states.length, beta = Array(T);
  beta[T - 1] = states.map((_, s) => (s >= S - 2 ? 0 : NONE));
  for (let t = T - 2; t >= 0; t -= 1) {
    beta[t] = states.map((_, s) => logAdd(after(states, s).map((to) => beta[t + 1][to] + logY[t + 1][states[to]])));
  }
  return beta;
}

// log p(target); -Infinity if no path reads it.
export function logProbability(logY, target) {
  return logAdd(forward(logY, target).at(-1).slice(-2));
}

// Share of the paths, by probability, in each state at each frame; null if no path fits.
export function occupancy(logY, target) {
  const total = logProbability(logY, target), beta = backward(logY, target);
  if (total === NONE) return null;
  return forward(logY, target).map((row, t) => row.map((a, s) => Math.exp(a + beta[t][s] - total)));
}

// d loss / d logits: what is predicted minus what the text asks for.
export function gradient(logY, target) {
  const gamma = occupancy(logY, target), states = withBlanks(target);
  return gamma && logY.map((row, t) => row.map((log, k) =>
    Math.exp(log) - states.reduce((sum, token, s) => sum + (token === k ? gamma[t][s] : 0), 0)));
}

// The states of the single likeliest path; null if none fits.
export function bestPath(logY, target) {
  const states = withBlanks(target), S = states.length, score = [], came = [];
  logY.forEach((row, t) => {
    came.push(states.map((_, s) => before(states, s).reduce((best, from) =>
      (t > 0 && score[t - 1][from] > score[t - 1][best] ? from : best), s)));
    score.push(states.map((token, s) => (t === 0 ? (s < 2 ? row[token] : NONE) : score[t - 1][came[t][s]] + row[token])));
  });
  let s = S > 1 && score.at(-1)[S - 1] <= score.at(-1)[S - 2] ? S - 2 : S - 1;
  if (score.at(-1)[s] === NONE) return null;
  const path = [s];
  for (let t = logY.length - 1; t > 0; t -= 1) path.unshift((s = came[t][s]));
  return path;
}

function pick(shares, uniform) {
  const sum = shares.reduce((a, b) => a + b, 0);
  let left = uniform * sum;
  const found = shares.findIndex((share) => (left -= share) < 0);
  return found < 0 ? shares.findLastIndex((share) => share > 0) : found;
}

// A path drawn with its probability given the text; uniforms: T numbers from 0 to 1. null if none fits.
export function drawPath(logY, target, uniforms) {
  if (logProbability(logY, target) === NONE) return null;
  const states = withBlanks(target), beta = backward(logY, target), path = [];
  logY.forEach((row, t) => {
    const ways = t === 0 ? [0, 1].filter((s) => s < states.length) : after(states, path[t - 1]);
    const scores = ways.map((s) => row[states[s]] + beta[t][s]), all = logAdd(scores);
    path.push(ways[pick(scores.map((one) => Math.exp(one - all)), uniforms[t])]);
  });
  return path;
}

export function pathLog(logY, states, path) {
  return path.reduce((sum, s, t) => sum + logY[t][states[s]], 0);
}

// Is the move allowed? "" if so, else the reason. from = -1: before the first frame.
export function forbidden(states, from, to, name) {
  const here = name(states[to]);
  if (from < 0) return to < 2 ? "" : "A path begins with the first blank or with the first letter: nothing may be left out.";
  if (to === from || to === from + 1) return "";
  if (to < from) return `Back from ${name(states[from])} to an earlier ${here}: the letters come in their order, a path never goes back.`;
  if (to > from + 2) return `From ${name(states[from])} straight to ${here} a letter would be lost.`;
  if (states[to] === 0) return "From blank to blank over a letter: that letter would be lost.";
  if (states[to] === states[from]) return `Between two ${here} the blank is needed: without it they would be merged into one.`;
  return "";
}

export function allowed(states, from, to) {
  return forbidden(states, from, to, String) === "";
}

// ---- the transducer -------------------------------------------------------------------------------------------------

// log p(k | t, u): the frame's own scores, and `weight` nats more for the letter that comes next; each node adds up to 1.
export function predict(logY, target, weight) {
  return logY.map((row) => [...target, 0].map((next) => {
    const scores = row.map((log, k) => log + (k === next && k !== 0 ? weight : 0)), all = logAdd(scores);
    return scores.map((one) => one - all);
  }));
}

export function gridForward(logY, target) {
  const alpha = logY.map((nodes) => nodes.map(() => NONE));
  logY.forEach((nodes, t) => nodes.forEach((_, u) => {
    const ways = t === 0 && u === 0 ? [0] : [];
    if (t > 0) ways.push(alpha[t - 1][u] + logY[t - 1][u][0]);
    if (u > 0) ways.push(alpha[t][u - 1] + logY[t][u - 1][target[u - 1]]);
    alpha[t][u] = logAdd(ways);
  }));
  return alpha;
}

export function gridBackward(logY, target) {
  const T = logY.length, L = target.length, beta = logY.map((nodes) => nodes.map(() => NONE));
  for (let t = T - 1; t >= 0; t -= 1) {
    for (let u = L; u >= 0; u -= 1) {
      const next = t + 1 < T ? beta[t + 1][u] : u === L ? 0 : NONE, ways = [next + logY[t][u][0]];
      if (u < L) ways.push(beta[t][u + 1] + logY[t][u][target[u]]);
      beta[t][u] = logAdd(ways);
    }
  }
  return beta;
}

export function gridLogProbability(logY, target) {
  return gridForward(logY, target).at(-1).at(-1) + logY.at(-1)[target.length][0];
}

// Share of the walks that come by each node.
export function gridOccupancy(logY, target) {
  const beta = gridBackward(logY, target), total = beta[0][0];
  return gridForward(logY, target).map((row, t) => row.map((a, u) => Math.exp(a + beta[t][u] - total)));
}

export function gridCount(T, target) {
  return choose(T + target.length - 1, target.length);
}

// A walk drawn with its probability given the text, as moves (0 a blank, 1 the next letter); uniforms: T + L numbers.
export function gridDraw(logY, target, uniforms) {
  const beta = gridBackward(logY, target), T = logY.length, L = target.length, moves = [];
  for (let t = 0, u = 0; t < T;) {
    const right = t + 1 < T ? beta[t + 1][u] : u === L ? 0 : NONE;
    const scores = [right + logY[t][u][0], u < L ? beta[t][u + 1] + logY[t][u][target[u]] : NONE], all = logAdd(scores);
    const move = pick(scores.map((one) => Math.exp(one - all)), uniforms[moves.length]);
    moves.push(move);
    if (move === 0) t += 1;
    else u += 1;
  }
  return moves;
}

export function gridLog(logY, target, moves) {
  let t = 0, u = 0, sum = 0;
  for (const move of moves) {
    sum += logY[t][u][move === 0 ? 0 : target[u]];
    if (move === 0) t += 1;
    else u += 1;
  }
  return sum;
}

// ---- probabilities without a recording --------------------------------------------------------------------------------

// kind "undecided": all tokens alike; "peaks": the letters evenly spaced, blank between; "chance": anything (by its seed).
export function invent(kind, T, V, target, seed = 1) {
  let state = (seed * 2654435761) >>> 0;
  const chance = () => { // xorshift: the same numbers for the same seed
    state ^= state << 13; state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5; state >>>= 0;
    return state / 4294967296;
  };
  const places = target.map((_, i) => Math.floor(((i + 0.5) * T) / target.length));
  return Array.from({ length: T }, (_, t) => {
    const at = places.indexOf(t);
    const scores = Array.from({ length: V }, (_, k) =>
      (kind === "chance" ? 4 * chance() : kind === "peaks" && k === (at < 0 ? 0 : target[at]) ? 4 : 0));
    const all = logAdd(scores);
    return scores.map((one) => one - all);
  });
}

// ---- the picture --------------------------------------------------------------------------------------------------------

const ROW = 40, STRIP = 19, LEFT = 38, NODE = 24;
const clip = (log) => (log === NONE ? MINUS + "∞" : format.number(log, log > -9.95 ? 1 : 0));
const share = (p) => (p >= 0.995 ? "1" : p < 0.005 ? "0" : p.toFixed(2).slice(1));
const signed = (x) => (Math.abs(x) < 0.005 ? "0" : (x < 0 ? MINUS : "+") + (Math.abs(x) >= 0.995 ? "1" : Math.abs(x).toFixed(2).slice(1)));
const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const small = (p) => (p >= 0.001 ? p.toPrecision(2) : p > 0
  ? p.toExponential(1).replace(/e-(\d+)/, (_, power) => ` · 10⁻${[...power].map((d) => RAISED[d]).join("")}`) : "0");
const many = (n) => n.toLocaleString("en");

const HELP = {
  ctc: {
    path: "Walk from left to right: press a node, or stay → , go on ↓ , skip S. What the path reads stands below.",
    alpha: "Step through the frames: each node adds up what comes in and takes it times the frame's probability.",
    beta: "The same from the end: how probable is it to finish from here?",
    gamma: "α times β by the sum: what share of all paths is at a node. Below it the gradient, predicted minus share.",
  },
  transducer: {
    path: "Walk from the lower left to the upper right: a letter goes up ↑ , a blank goes on to the next frame → . A transducer "
      + "says a blank in every frame, so probabilities that were learned by CTC suit it badly: try the others.",
    alpha: "Step through the grid: each node adds up what comes from the left, with a blank, and from below, with a letter.",
    beta: "The same from the end: how probable is it to finish from here?",
    gamma: "α times β by the sum: what share of all walks comes by a node.",
  },
};

function render({ model, el }) {
  const data = model.get("data");
  const state = { source: 0, kind: "ctc", mode: "path", path: [], found: new Map(), seed: 1, weight: 1, warning: "", step: 0 };
  const name = (token) => (token === 0 ? "the blank" : `“${state.tokens[token]}”`);
  const sign = (token) => (token === 0 ? BLANK : state.tokens[token]);
  const said = () => state.target.map(sign).join("");

  const card = frame(el, {
    title: "All paths at once",
    help: "Choose probabilities, type a text, and see which paths read it and how a table adds them all up.",
  });
  const source = choice({ label: "Probabilities", value: "0",
    options: data.sources.map((one, i) => [String(i), one.name]) }, (next) => { state.source = Number(next); take(); });
  const text = field({ label: "Text", value: "", maxlength: 12 }, () => renew());
  const frames = slider({ label: "Frames T", min: 1, max: 14, value: 8 }, () => renew());
  const sounds = h("span", {});
  const again = button("Other numbers", () => { state.seed += 1; renew(); });
  const kind = choice({ label: "Lattice", options: [["ctc", "CTC"], ["transducer", "transducer"]], value: "ctc" },
    (next) => { state.kind = next; renew(); });
  const mode = choice({ label: "Show", value: "path",
    options: [["path", "one path"], ["alpha", "forward α"], ["beta", "backward β"], ["gamma", "shares γ"]] },
  (next) => { state.mode = next; state.step = 0; compute(); });
  const weight = slider({ label: "What was said counts, nats", min: 0, max: 4, step: 0.5, value: 1 },
    (next) => { state.weight = next; renew(); });
  const trust = row(weight);
  const help = h("p", { class: "aw-note" });
  const box = h("div", { class: "aw-scroll cl-box", role: "group", tabindex: "0" });
  const steps = stepper({ label: "Steps through the lattice", count: 2, speed: 3, format: (k) => `${k}` },
    (k) => { state.step = k; draw(); });
  const moves = h("div", { class: "aw-row cl-moves" });
  const says = h("p", { class: "cl-says", role: "status" });
  const sums = h("dl", { class: "cl-sums" });
  card.append(row(source, sounds, again), row(text, frames), row(kind, mode), trust, help, moves, steps, box, says, sums);
  box.addEventListener("keydown", pressed);

  let width = 0;
  const stopWatching = responsive(card, (next) => { width = next; draw(); });
  take();

  function take() {
    const one = data.sources[state.source];
    sounds.replaceChildren(...(one.sound ? [(state.player ??= {})[state.source] ??= player(one.sound).button("Hear it")] : []));
    again.hidden = one.kind !== "chance";
    text.value = one.target;
    const input = frames.querySelector("input");
    input.max = one.log_y ? one.log_y.length : 14;
    frames.value = one.log_y ? one.log_y.length : 9;
    renew();
  }

  // Everything that follows from probabilities, text and length; paths begin anew.
  function renew() {
    const one = data.sources[state.source], letters = [...text.value.toLowerCase()];
    const known = letters.filter((letter) => one.tokens.indexOf(letter) > 0);
    state.target = known.slice(0, MOST).map((letter) => one.tokens.indexOf(letter));
    const offered = one.tokens.slice(1).filter((token) => token.length === 1 && token !== "…").join(", ");
    state.note = known.length < letters.length ? `Here the letters are ${offered}; others are left out. `
      : known.length > MOST ? `Only the first ${MOST} letters are shown. ` : "";
    const T = frames.value;
    state.frames = one.log_y ? one.log_y.slice(0, T).map((r) => { const all = logAdd(r); return r.map((x) => x - all); })
      : invent(one.kind, T, one.tokens.length, state.target, state.seed);
    state.path = [];
    state.found = new Map();
    state.warning = "";
    compute();
  }

  function compute() {
    const { target, frames: logY } = state, ctc = state.kind === "ctc", T = logY.length, L = target.length;
    state.tokens = data.sources[state.source].tokens;
    state.rows = ctc ? 2 * L + 1 : L + 1;
    state.states = withBlanks(target);
    state.grid = ctc ? null : predict(logY, target, state.weight);
    state.alpha = ctc ? forward(logY, target) : gridForward(state.grid, target);
    state.beta = ctc ? backward(logY, target) : gridBackward(state.grid, target);
    state.total = ctc ? logProbability(logY, target) : gridLogProbability(state.grid, target);
    state.gamma = state.total === NONE ? null : ctc ? occupancy(logY, target) : gridOccupancy(state.grid, target);
    state.count = ctc ? countPaths(T, target) : gridCount(T, target);
    const sweeping = state.mode === "alpha" || state.mode === "beta";
    steps.hidden = !sweeping;
    moves.hidden = state.mode !== "path";
    trust.hidden = ctc;
    if (sweeping) {
      steps.count = T * state.rows + 1;
      steps.speed = Math.max(3, (T * state.rows) / 15);
      steps.value = state.step = Math.min(state.step || T * state.rows, T * state.rows);
    }
    help.textContent = HELP[state.kind][state.mode];
    box.setAttribute("aria-label", `${ctc ? "CTC lattice" : "Transducer grid"}; ${HELP[state.kind][state.mode]}`);
    drawMoves();
    draw();
  }

  // ---- walking ----
  function drawMoves() {
    const ctc = state.kind === "ctc";
    moves.replaceChildren(...(ctc ? [button("Stay →", () => move(0)), button("On ↓", () => move(1)), button("Skip", () => move(2))]
      : [button("Letter ↑", () => step(1)), button("Blank →", () => step(0))]),
    button("Undo", undo), button("Best path", best), button("Draw a path", drawn, { kind: "main" }));
  }

  function last() {
    return state.path.length ? state.path.at(-1) : -1;
  }

  function move(by) {
    if (last() < 0 && by === 0) return warn("Nothing to stay in yet: begin with the blank (On) or with the first letter (Skip).");
    go(last() + by);
  }

  function go(s) {
    const { states, path, frames: logY } = state;
    if (path.length === logY.length) return warn("All frames are used. Undo, or press an earlier node.");
    if (s >= states.length) return warn("There is nothing below the last blank.");
    const why = forbidden(states, last(), s, name);
    if (why) return warn(why);
    state.path = [...path, s];
    settled();
  }

  function step(up) {
    const { frames: logY, target } = state, { t, u } = place();
    if (t === logY.length) return warn("The walk has ended. Undo, or draw another.");
    if (up && u === target.length) return warn("All letters are said: only blanks are left.");
    if (!up && t === logY.length - 1 && u < target.length) {
      return warn(`This is the last frame, and ${name(target[u])} has not been said: letters first.`);
    }
    state.path = [...state.path, up];
    settled();
  }

  function place(path = state.path) {
    const u = path.reduce((sum, one) => sum + one, 0);
    return { t: path.length - u, u };
  }

  function warn(why) {
    state.warning = why;
    draw();
  }

  function undo() {
    state.path = state.path.slice(0, -1);
    state.warning = "";
    draw();
  }

  function best() {
    if (state.total === NONE) return warn(infeasible());
    state.path = state.kind === "ctc" ? bestPath(state.frames, state.target) : gridBest();
    settled();
  }

  function gridBest() { // the likeliest move from each node on
    const { grid, target } = state, T = grid.length, L = target.length;
    const value = grid.map((nodes) => nodes.map(() => NONE)), choose = grid.map((nodes) => nodes.map(() => 0));
    for (let t = T - 1; t >= 0; t -= 1) {
      for (let u = L; u >= 0; u -= 1) {
        const right = (t + 1 < T ? value[t + 1][u] : u === L ? 0 : NONE) + grid[t][u][0];
        const up = u < L ? value[t][u + 1] + grid[t][u][target[u]] : NONE;
        value[t][u] = Math.max(right, up);
        choose[t][u] = up > right ? 1 : 0;
      }
    }
    const found = [];
    for (let t = 0, u = 0; t < T;) {
      found.push(choose[t][u]);
      if (choose[t][u]) u += 1;
      else t += 1;
    }
    return found;
  }

  function drawn() {
    if (state.total === NONE) return warn(infeasible());
    const { frames: logY, target } = state, uniforms = Array.from({ length: logY.length + target.length }, Math.random);
    state.path = state.kind === "ctc" ? drawPath(logY, target, uniforms) : gridDraw(state.grid, target, uniforms);
    settled();
  }

  function complete() {
    if (state.kind === "ctc") return state.path.length === state.frames.length && last() >= state.states.length - 2;
    return place().t === state.frames.length;
  }

  function scoreOf(path) {
    return state.kind === "ctc" ? pathLog(state.frames, state.states, path) : gridLog(state.grid, state.target, path);
  }

  function settled() {
    state.warning = "";
    if (complete()) state.found.set(state.path.join(","), scoreOf(state.path));
    draw();
  }

  function pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const ctc = state.kind === "ctc", walking = state.mode === "path";
    const keys = walking && ctc ? { ArrowRight: () => move(0), ArrowDown: () => move(1), s: () => move(2), S: () => move(2),
      ArrowLeft: undo, Backspace: undo }
      : walking ? { ArrowRight: () => step(0), ArrowUp: () => step(1), ArrowLeft: undo, Backspace: undo }
        : state.mode === "gamma" ? {} : { ArrowRight: () => jump(1), ArrowDown: () => jump(1), ArrowLeft: () => jump(-1),
          ArrowUp: () => jump(-1), Home: () => jump(-1e9), End: () => jump(1e9) };
    if (!(event.key in keys)) return;
    event.preventDefault();
    keys[event.key]();
  }

  function jump(by) {
    steps.value = steps.value + by;
    state.step = steps.value;
    draw();
  }

  function clicked(t, r) {
    const { mode: shown, path, kind: which } = state;
    if (shown === "alpha" || shown === "beta") {
      steps.value = state.step = 1 + (shown === "alpha" ? t * state.rows + r : (state.frames.length - 1 - t) * state.rows + (state.rows - 1 - r));
      return draw();
    }
    if (shown === "gamma") {
      if (!state.gamma) return warn(infeasible());
      const where = which === "ctc" ? `at ${name(state.states[r])}` : `with ${r} letters said`;
      return warn(`Frame ${t + 1}: ${format.percent(state.gamma[t][r], 1)} of the paths, by probability, are ${where}.`);
    }
    if (which === "ctc") {
      if (t < path.length) state.path = path.slice(0, t);
      else if (t > path.length) return warn(`Frame ${path.length + 1} comes first: a path has one token in every frame.`);
      return go(r);
    }
    const here = place();
    if (t === here.t && r === here.u + 1) return step(1);
    if (t === here.t + 1 && r === here.u) return step(0);
    return warn("From a node one goes up by one letter or right by one frame.");
  }

  // ---- drawing ----
  function infeasible() {
    const { target, frames: logY } = state, doubles = framesNeeded(target) - target.length, T = logY.length;
    const letters = `${target.length} letter${target.length === 1 ? "" : "s"}`;
    const blanks = doubles ? ` and ${doubles} blank${doubles === 1 ? "" : "s"} between equal neighbours` : "";
    return `“${said()}” needs ${framesNeeded(target)} frames: ${letters}${blanks}. With T = ${T} no path reads it: the sum is empty, p = 0, the loss infinite.`;
  }

  // Order of the nodes in a sweep: column by column, down for CTC and up for the transducer; backwards for beta.
  function reached(t, r) {
    const { rows, frames: logY, mode: shown, step: k } = state;
    const order = t * rows + r;
    return shown === "alpha" ? order < k : logY.length * rows - 1 - order < k;
  }

  function current() {
    const { rows, frames: logY, mode: shown, step: k } = state;
    if (k === 0) return null;
    const order = shown === "alpha" ? k - 1 : logY.length * rows - k;
    return { t: Math.floor(order / rows), r: order % rows };
  }

  // Everything that a step does not change is drawn once, in `scene`; a step then writes what is new into its nodes.
  function draw() {
    if (!width || !state.frames) return;
    const key = [state.frames, state.grid, state.target, state.mode === "gamma", width];
    if (!state.scene || key.some((one, i) => one !== state.scene.key[i])) state.scene = { key, ...scene() };
    const now = here(), { x, column } = state.scene;
    state.scene.ways.replaceChildren(...ways(now));
    fill(now);
    if (now && state.mode !== "gamma") {
      box.scrollLeft = Math.max(0, Math.min(box.scrollLeft, x(now.t) - LEFT), x(now.t) + column - box.clientWidth);
    }
    tell(now);
  }

  function label(content, at, up, look = "") {
    return s("text", { x: at, y: up, class: look, "dominant-baseline": "central" }, content);
  }

  // Nodes that a node leads to, and the walk so far as nodes.
  function next(t, r) {
    const { states, rows, frames: logY } = state;
    const all = state.kind === "ctc" ? after(states, r).map((to) => ({ t: t + 1, r: to })) : [{ t: t + 1, r }, { t, r: r + 1 }];
    return all.filter((b) => b.t < logY.length && b.r < rows);
  }

  function walk(path) {
    if (state.kind === "ctc") return path.map((r, t) => ({ t, r }));
    const steps = path.map((_, i) => place(path.slice(0, i + 1))).map(({ t, u }) => ({ t, r: u }));
    return [{ t: 0, r: 0 }, ...steps.filter((b) => b.t < state.frames.length)];
  }

  function here() {
    return state.mode === "path" ? walk(state.path).at(-1) ?? null : state.mode === "gamma" ? null : current();
  }

  // On at least one whole path.
  function alive(t, r) {
    return state.alpha[t][r] + state.beta[t][r] > NONE;
  }

  // The picture with empty nodes; returns what a step needs of it.
  function scene() {
    const { frames: logY, tokens, rows, mode: shown, gamma } = state, ctc = state.kind === "ctc";
    const T = logY.length, V = tokens.length, column = Math.max(40, Math.min(66, Math.floor((width - LEFT - 8) / T)));
    const extra = shown === "gamma" && ctc && gamma ? V * STRIP + 30 : 0;
    const top = 20 + V * STRIP + 26, wide = LEFT + T * column + 6, high = top + rows * ROW + extra + 4;
    const x = (t) => LEFT + (t + 0.5) * column, y = (r) => top + (ctc ? r + 0.5 : rows - 0.5 - r) * ROW;
    const strip = (from, value, colour, show) => tokens.map((token, k) => [
      label(k === 0 ? BLANK : token, LEFT - 8, from + (k + 0.5) * STRIP, "cl-end"),
      logY.map((_, t) => [
        s("rect", { x: x(t) - column / 2 + 1, y: from + k * STRIP + 1, width: column - 2, height: STRIP - 2, rx: 3,
          fill: colour(value(t, k)) }),
        show(value(t, k)) && label(show(value(t, k)), x(t), from + (k + 0.5) * STRIP, "cl-mid cl-tiny")])]);
    const edges = logY.flatMap((_, t) => Array.from({ length: rows }, (_, r) => (alive(t, r) ? next(t, r) : [])
      .filter((b) => alive(b.t, b.r)).map((b) => `M${x(t)} ${y(r)}L${x(b.t)} ${y(b.r)}`))).flat();
    const said = (r) => (r === 0 ? "–" : (r > 4 ? "…" : "") + state.target.slice(Math.max(0, r > 4 ? r - 3 : 0), r).map(sign).join(""));
    const names = Array.from({ length: rows }, (_, r) => label(ctc ? sign(state.states[r]) : said(r), LEFT - 8, y(r),
      `cl-end${ctc && state.states[r] === 0 ? " cl-mute" : " cl-strong"}`));
    const nodes = logY.map((_, t) => Array.from({ length: rows }, (_, r) => node(t, r, x(t), y(r), column)));
    const from = top + rows * ROW + 26, slope = extra ? gradient(logY, state.target) : null, ways = s("g", {});
    const picture = s("svg", { class: "cl-picture", width: wide, height: high, viewBox: `0 0 ${wide} ${high}`, role: "img",
      style: { "max-width": "none" },
      "aria-label": `${ctc ? "CTC lattice" : "Transducer grid"} of ${T} frames for ${state.target.map(sign).join("") || "the empty text"}` },
    label("frame", 0, 9, "cl-mute"), logY.map((_, t) => label(String(t + 1), x(t), 9, "cl-mid cl-mute")),
    strip(20, (t, k) => Math.exp(logY[t][k]), (v) => tint("--sound", 0.6 * v), (v) => (v < 0.005 ? "" : share(v))),
    s("path", { class: "cl-edge", d: edges.join("") }), ways, names, nodes.flat().map((one) => one.element),
    extra && [label("gradient: predicted − share (negative: pushed up)", 0, from - 12, "cl-mute"),
      strip(from, (t, k) => slope[t][k], (v) => tint(v < 0 ? "--good" : "--bad", 0.6 * Math.abs(v)), signed)]);
    const scrolled = box.scrollLeft;
    box.replaceChildren(picture);
    box.scrollLeft = scrolled;
    return { x, y, column, nodes, ways };
  }

  function node(t, r, across, up, column) {
    const breadth = Math.min(column - 6, 46), text = label("", across, up, "cl-mid cl-small");
    const ground = s("rect", { class: "cl-ground", x: across - breadth / 2, y: up - NODE / 2, width: breadth, height: NODE, rx: 9 });
    const element = s("g", { class: "cl-node", dataset: { t, r }, onclick: () => clicked(t, r) },
      s("rect", { class: "cl-hit", x: across - column / 2, y: up - ROW / 2, width: column, height: ROW }), ground, text);
    return { element, ground, text, was: "" };
  }

  // The edges that the current state is about.
  function ways(now) {
    const { mode: shown, rows, frames: logY } = state, { x, y } = state.scene;
    const line = (a, b, look) => s("line", { x1: x(a.t), y1: y(a.r), x2: x(b.t), y2: y(b.r), class: `cl-edge ${look}` });
    const along = (dots, look) => dots.slice(1).map((b, i) => line(dots[i], b, look));
    if (shown === "path") {
      const found = [...state.found.keys()].map((key) => along(walk(key.split(",").map(Number)), "cl-found"));
      return [...found, along(walk(state.path), "cl-way")].flat();
    }
    if (!now) return [];
    if (shown === "beta") return next(now.t, now.r).map((b) => line(now, b, "cl-way"));
    const from = logY.flatMap((_, t) => Array.from({ length: rows }, (_, r) => ({ t, r })))
      .filter((a) => next(a.t, a.r).some((b) => b.t === now.t && b.r === now.r));
    return from.map((a) => line(a, now, "cl-way"));
  }

  function fill(now) {
    const { frames: logY, mode: shown, alpha, beta, gamma, rows } = state, ctc = state.kind === "ctc";
    const on = new Set(shown === "path" ? walk(state.path).map((b) => `${b.t},${b.r}`) : []);
    const table = shown === "alpha" ? alpha : beta;
    for (let t = 0; t < logY.length; t += 1) {
      const whole = logAdd(table[t]);
      for (let r = 0; r < rows; r += 1) {
        let content = "", full = 0, colour = "--sense";
        if (shown === "path") {
          content = ctc ? sign(state.states[r]) : "";
          full = ctc ? 0.6 * Math.exp(logY[t][state.states[r]]) : 0;
          colour = "--sound";
        } else if (shown === "gamma") {
          content = gamma ? share(gamma[t][r]) : "";
          full = gamma ? 0.6 * gamma[t][r] : 0;
        } else if (reached(t, r)) {
          content = clip(table[t][r]);
          full = table[t][r] === NONE ? 0 : 0.6 * Math.exp(table[t][r] - whole);
        }
        const look = ["cl-node", !alive(t, r) && "cl-dead", on.has(`${t},${r}`) && "cl-on",
          now && now.t === t && now.r === r && "cl-now"].filter(Boolean).join(" ");
        const one = state.scene.nodes[t][r], is = `${look} ${content} ${colour} ${full}`;
        if (one.was === is) continue;
        one.was = is;
        one.element.setAttribute("class", look);
        one.text.textContent = content;
        one.ground.style.fill = full ? `color-mix(in srgb, var(${colour}) ${(100 * Math.min(1, full)).toFixed(1)}%, var(--paper))` : "";
      }
    }
  }

  function tell(now) {
    const { mode: shown, total, found, count } = state;
    says.textContent = state.note + (state.warning || (total === NONE ? infeasible() : shown === "path" ? pathText()
      : shown === "gamma" ? gammaText() : now ? nodeText(now) : "Step, or press play."));
    says.classList.toggle("cl-warning", Boolean(state.warning) && shown === "path");
    const collected = logAdd([...found.values()]) - total;
    const lines = [
      ["paths that read the text", many(count)],
      ["sum of them all", total === NONE ? "p(y|X) = 0" : `p(y|X) = ${small(Math.exp(total))}`],
      ["loss", total === NONE ? "∞" : `${format.number(-total, 2)} nats`],
    ];
    if (shown === "path" && total > NONE) {
      lines.push(["collected", `${many(found.size)} path${found.size === 1 ? "" : "s"}, ${format.percent(found.size ? Math.exp(collected) : 0, 1)} of the sum`]);
    }
    sums.replaceChildren(...lines.map(([term, value]) => h("div", {}, h("dt", {}, term), h("dd", {}, value))));
  }

  function pathText() {
    const { path, states, frames: logY, target } = state, ctc = state.kind === "ctc";
    if (path.length === 0) return `No step yet. The text is “${said()}”.`;
    const written = ctc ? path.map((s) => sign(states[s])) : path.map((up, i) => (up ? sign(target[place(path.slice(0, i)).u]) : BLANK));
    const reads = ctc ? collapse(path.map((s) => states[s])).map(sign).join("") : written.filter((one) => one !== BLANK).join("");
    const p = Math.exp(scoreOf(path));
    const end = complete() ? `, ${format.percent(Math.exp(scoreOf(path) - state.total), 1)} of the sum`
      : ctc && path.length === logY.length ? "; the frames are used up and letters are missing" : "";
    return `Path ${written.join(" ")} reads “${reads}”. Its probability${complete() ? "" : " so far"} is ${small(p)}${end}.`;
  }

  function gammaText() {
    if (state.kind !== "ctc") return "Every walk leaves each frame once and says each letter once. Press a node for its share.";
    const blanks = state.gamma.map((r) => r.reduce((sum, v, s) => sum + (state.states[s] === 0 ? v : 0), 0));
    const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
    return `Predicted for the blank, mean over the frames: ${format.percent(mean(state.frames.map((r) => Math.exp(r[0]))))}; `
      + `its share of the paths: ${format.percent(mean(blanks))}. Press a node for its own.`;
  }

  function nodeText({ t, r }) {
    const { states, frames: logY, alpha, beta, mode: shown, grid, target } = state, T = logY.length;
    const e = (log) => small(Math.exp(log));
    if (state.kind === "ctc") {
      const token = states[r], head = `Frame ${t + 1}, ${name(token)}: `;
      if (shown === "alpha") {
        if (t === 0) return head + (r < 2 ? `a path may begin here, ${e(alpha[0][r])}.` : "no path begins here, 0.");
        const kinds = ["stay", "on", "skip"], ways = before(states, r).map((from) => `${kinds[r - from]} ${e(alpha[t - 1][from])}`);
        return `${head}(${ways.join(" + ")}) × p = ${e(logY[t][token])} gives ${e(alpha[t][r])}; its logarithm ${clip(alpha[t][r])}.`;
      }
      if (t === T - 1) return head + (r >= states.length - 2 ? "a path may end here, 1." : "no path ends here, 0.");
      const kinds = ["stay", "on", "skip"];
      const ways = after(states, r).map((to) => `${kinds[to - r]} ${e(logY[t + 1][states[to]])} × ${e(beta[t + 1][to])}`);
      return `${head}${ways.join(" + ")} gives ${e(beta[t][r])}; its logarithm ${clip(beta[t][r])}.`;
    }
    const head = `Frame ${t + 1}, ${r} said: `, ways = [];
    if (shown === "alpha") {
      if (t > 0) ways.push(`blank from the left ${e(alpha[t - 1][r])} × ${e(grid[t - 1][r][0])}`);
      if (r > 0) ways.push(`${name(target[r - 1])} from below ${e(alpha[t][r - 1])} × ${e(grid[t][r - 1][target[r - 1]])}`);
      return `${head}${ways.join(" + ") || "all walks begin here"}: ${e(alpha[t][r])}; its logarithm ${clip(alpha[t][r])}.`;
    }
    if (t + 1 < T) ways.push(`blank ${e(grid[t][r][0])} × ${e(beta[t + 1][r])}`);
    else if (r === target.length) ways.push(`the last blank ${e(grid[t][r][0])}`);
    if (r < target.length) ways.push(`${name(target[r])} ${e(grid[t][r][target[r]])} × ${e(beta[t][r + 1])}`);
    return `${head}${ways.join(" + ")} gives ${e(beta[t][r])}; its logarithm ${clip(beta[t][r])}.`;
  }

  return () => { stopWatching(); steps.stop(); };
}

export default { render };
