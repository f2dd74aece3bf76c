// The trellis of a left-to-right hidden Markov model: add up what comes in, or keep the best of it and walk back. The
// arithmetic is that of asrlab/scratch/hmm.py; tests/widgets/test_hmm_trellis.py holds the two equal.

const NONE = -Infinity;

// What comes into state j at frame t, as [from, log of that way]: by staying, and from the state before.
function ways(score, t, j, stay) {
  const found = [[j, score[t - 1][j] + Math.log(stay)]];
  if (j > 0) found.unshift([j - 1, score[t - 1][j - 1] + Math.log(1 - stay)]);
  return found;
}

function start(row) {
  return row.map((log, j) => (j === 0 ? log : NONE));
}

// alpha[t][j] for emissions logB[t][j], nats, and the probability to stay in a state.
export function forward(logB, stay) {
  const alpha = [start(logB[0])];
  for (let t = 1; t < logB.length; t += 1) {
    alpha.push(logB[t].map((heard, j) => heard + logAdd(ways(alpha, t, j, stay).map(([, way]) => way))));
  }
  return alpha;
}

// log p(X): all paths that leave the last state after the last frame. null if there is none.
export function total(logB, stay) {
  const sum = forward(logB, stay).at(-1).at(-1) + Math.log(1 - stay);
  return sum === NONE ? null : sum;
}

// {delta, from, path, score}: the best way into each node, where it came from, and the best path; path null if none.
export function viterbi(logB, stay) {
  const delta = [start(logB[0])], from = [logB[0].map(() => 0)];
  for (let t = 1; t < logB.length; t += 1) {
    const best = logB[t].map((_, j) => ways(delta, t, j, stay).reduce((a, b) => (b[1] > a[1] ? b : a)));
    delta.push(logB[t].map((heard, j) => heard + best[j][1]));
    from.push(best.map(([i]) => i));
  }
  const score = delta.at(-1).at(-1) + Math.log(1 - stay);
  if (score === NONE) return { delta, from, path: null, score: null };
  const path = [logB[0].length - 1];
  for (let t = logB.length - 1; t > 0; t -= 1) path.unshift(from[t][path[0]]);
  return { delta, from, path, score };
}

// How much each way counts in the sum: shares of 1, the way from the state before first (where there is one).
export function inflow(alpha, t, j, stay) {
  const found = ways(alpha, t, j, stay), all = logAdd(found.map(([, way]) => way));
  return found.map(([i, way]) => [i, all === NONE ? 0 : Math.exp(way - all)]);
}

// Emissions made sharper (above 1) or blunter: the logarithm times a factor. At 0 every frame fits every state alike.
export function sharpened(logB, factor) {
  return logB.map((row) => row.map((log) => factor * log));
}

// Paths of T frames through S states in order: the places of S - 1 steps among T - 1.
export function countPaths(T, S) {
  let found = 1;
  for (let i = 1; i < S; i += 1) found = (found * (T - S + i)) / i;
  return T < S ? 0 : Math.round(found);
}

// ---- the picture ---------------------------------------------------------------------------------------------------

const LEFT = 34, TOP = 26, ROW = 48, COLUMN = 46, RADIUS = 17;
const percent = (p) => (p >= 0.995 ? "100" : p < 0.005 ? "0" : (100 * p).toFixed(0));
const log1 = (x) => (x === NONE ? "impossible" : format.number(x, 1));

// The title names the recording that is shown, in whose table the word looks for itself.
export function titleOf({ word, recordings }, k) {
  return `All ways of “${word}” through the recording “${recordings[k].name}”`;
}

function render({ model, el }) {
  const data = model.get("data");
  const state = { recording: 0, mode: "sum", unit: "share", stay: data.stay, sharpness: data.weight, step: 0, playing: -1 };
  const card = frame(el, {
    title: titleOf(data, 0),
    help: "Columns are frames of the recording, rows are states of the word. Step through the table: each node takes what "
      + "comes in, and adds how well its frame fits.",
  });
  const recording = choice({ label: "Recording", value: "0", options: data.recordings.map((one, i) => [String(i), one.name]) },
    (next) => {
      state.recording = Number(next);
      card.querySelector(".aw-title").textContent = titleOf(data, state.recording);
      stopSound();
      renew(true);
    });
  const hear = h("span", {});
  const mode = choice({ label: "At each node", value: "sum", options: [["sum", "add up (forward)"], ["best", "keep the best (Viterbi)"]] },
    (next) => { state.mode = next; renew(true); });
  const unit = choice({ label: "Numbers", value: "share", options: [["share", "% of the frame"], ["log", "logarithms"]] },
    (next) => { state.unit = next; draw(); });
  const stay = slider({ label: "Stay in a state", min: 0.05, max: 0.95, step: 0.05, value: data.stay,
    format: (x) => format.percent(x) }, (next) => { state.stay = next; renew(); });
  const sharp = slider({ label: "The sound counts", min: 0, max: 1, step: 0.05, value: data.weight,
    format: (x) => `${format.number(x, 2)} ×` }, (next) => { state.sharpness = next; renew(); });
  const box = h("div", { class: "aw-scroll ht-box", role: "group", tabindex: "0", "aria-label": "The trellis; arrow keys step" });
  const steps = stepper({ label: "Steps through the trellis", count: 2, keys: box, format: (k) => `${k}` },
    (k) => { state.step = k; draw(true); });
  const says = h("p", { class: "ht-says", role: "status" });
  const sums = h("dl", { class: "ht-sums" });
  card.append(row(recording, hear), row(mode, unit), row(stay, sharp), steps, box, says, sums);

  const players = [];
  let width = 0;
  const stopWatching = responsive(card, (next) => { width = next; draw(); });
  renew(true);

  function stopSound() {
    for (const one of players) one?.stop();
    state.playing = -1;
  }

  // Everything that follows from recording, mode and sliders. `whole`: show the finished table again.
  function renew(whole = false) {
    const one = data.recordings[state.recording];
    state.logB = sharpened(one.log_b, state.sharpness);
    const T = state.logB.length, S = data.states;
    state.order = [];
    for (let t = 0; t < T; t += 1) for (let j = 0; j <= Math.min(t, S - 1); j += 1) state.order.push([t, j]);
    state.alpha = forward(state.logB, state.stay);
    state.all = total(state.logB, state.stay);
    state.best = viterbi(state.logB, state.stay);
    const count = state.order.length + 1 + (state.mode === "best" ? T : 0);
    const at = whole ? count - 1 : Math.min(state.step, count - 1);
    if (steps.count !== count) steps.count = count;
    steps.speed = Math.max(2, state.order.length / 15);
    steps.value = state.step = at;
    if (whole) hear.replaceChildren(soundOf(state.recording));
    draw();
    if (whole) box.scrollLeft = 0; // one reads from the beginning
  }

  function soundOf(k) {
    if (!players[k]) {
      const one = data.recordings[k];
      players[k] = player(one.sound);
      players[k].onTime = (seconds) => light(Math.min(one.log_b.length - 1, Math.floor(seconds / data.hop)));
      players[k].onEnd = () => light(-1);
    }
    return players[k].button("Hear it");
  }

  // While the sound plays: the frame that is heard, and the state that the best path has there.
  function light(t) {
    if (t === state.playing) return;
    state.playing = t;
    for (const one of box.querySelectorAll("[data-frame]")) one.classList.toggle("ht-heard", Number(one.dataset.frame) === t);
  }

  // `follow`: bring the column of the step into view, where the table is wider than its box.
  function draw(follow = false) {
    if (width <= 0 || !state.logB) return;
    const one = data.recordings[state.recording], T = state.logB.length, S = data.states;
    const column = Math.max(COLUMN, Math.floor((width - LEFT) / T)), filled = Math.min(state.step, state.order.length);
    const x = (t) => LEFT + (t + 0.5) * column, y = (j) => TOP + (j + 0.5) * ROW;
    const back = state.mode === "best" ? state.step - filled : 0; // nodes of the way back that are lit
    const onPath = (t, j) => back > 0 && t >= T - back && state.best.path?.[t] === j;
    const table = state.mode === "sum" ? state.alpha : state.best.delta;
    const known = new Set(state.order.slice(0, filled).map(String));
    const height = TOP + S * ROW + 22;

    const lines = [], nodes = [];
    for (let t = 0; t < T; t += 1) {
      const sum = logAdd(table[t].filter((_, j) => known.has(String([t, j]))));
      for (let j = 0; j <= Math.min(t, S - 1); j += 1) {
        const share = known.has(String([t, j])) ? (sum === NONE ? 0 : Math.exp(table[t][j] - sum)) : null;
        if (t > 0 && share !== null) lines.push(...arrows(t, j, share));
        nodes.push(node(t, j, share));
      }
    }
    function arrows(t, j, whole) {
      const parts = state.mode === "sum" ? inflow(state.alpha, t, j, state.stay)
        : inflow(state.best.delta, t, j, state.stay).map(([i]) => [i, i === state.best.from[t][j] ? 0.4 : 0]);
      return parts.filter(([i]) => table[t - 1][i] > NONE).map(([i, share]) => {
        const lit = onPath(t, j) && onPath(t - 1, i), lost = state.mode === "best" && share === 0;
        return s("line", { class: `ht-arrow${lit ? " ht-way" : ""}${lost ? " ht-lost" : ""}`, x1: x(t - 1) + (RADIUS + 1) * (i === j ? 1 : 0.75),
          y1: y(i) + (i === j ? 0 : 0.7 * RADIUS), x2: x(t) - (RADIUS + 1) * (i === j ? 1 : 0.75), y2: y(j) - (i === j ? 0 : 0.7 * RADIUS),
          "stroke-width": lit ? 4 : 0.8 + 5 * share, opacity: lit || lost ? null : 0.3 + 0.7 * Math.sqrt(whole) });
      });
    }
    function node(t, j, share) {
      const now = state.step > 0 && state.step <= state.order.length && String(state.order[state.step - 1]) === String([t, j]);
      const text = share === null ? "" : table[t][j] === NONE ? "–" : state.unit === "log" ? format.number(table[t][j], 0) : percent(share);
      return s("g", { class: `ht-node${now ? " ht-now" : ""}${onPath(t, j) ? " ht-on" : ""}`, dataset: { node: `${t},${j}` },
        onclick: () => { state.step = state.order.findIndex((k) => String(k) === String([t, j])) + 1; steps.value = state.step; draw(); } },
      s("circle", { class: "ht-ground", cx: x(t), cy: y(j), r: RADIUS }),
      share > 0 && s("circle", { class: "ht-fill", cx: x(t), cy: y(j), r: RADIUS, fill: tint("--sense", 0.7 * share) }),
      s("text", { class: `ht-number${text.length > 3 ? " ht-long" : ""}`, x: x(t), y: y(j) + 4 }, text));
    }
    const strip = state.logB.map((_, t) => {
      const j = back >= T - t ? state.best.path?.[t] : undefined;
      return s("g", { dataset: { frame: t }, class: "ht-frame" },
        s("rect", { class: "ht-column", x: LEFT + t * column, y: 0, width: column, height: height - 20 }),
        s("rect", { x: LEFT + t * column + 1, y: 2, width: column - 2, height: 16, rx: 3,
          fill: j === undefined ? "transparent" : `var(--c${1 + (j % 6)})`, class: "ht-segment" }),
        j !== undefined && s("text", { class: "ht-segment-name", x: x(t), y: 14 }, String(j + 1)));
    });
    const names = Array.from({ length: S }, (_, j) => s("text", { class: "ht-name", x: LEFT - 8, y: y(j) + 4 }, String(j + 1)));
    const times = state.logB.map((_, t) => (t % 2 ? null : s("text", { class: "ht-time", x: LEFT + t * column, y: height - 4 },
      format.number(t * data.hop, 2))));
    const picture = s("svg", { width: LEFT + T * column, height, viewBox: `0 0 ${LEFT + T * column} ${height}`, class: "ht-picture",
      role: "img", "aria-label": `Trellis of ${T} frames and ${S} states, ${filled} nodes of ${state.order.length} filled` },
    strip, lines, nodes, names, times);
    state.seen ??= [];
    const sound = (state.seen[state.recording] ??= h("img", { alt: `Spectrogram of ${one.name}`, src: `data:image/png;base64,${one.picture}` }));
    sound.style.cssText = `width: ${(one.seconds / data.hop) * column}px; height: 60px; margin-left: ${LEFT}px`;
    if (sound.parentNode !== box) box.replaceChildren(sound, picture);
    else box.lastChild.replaceWith(picture);
    const focus = state.step > state.order.length ? T - back : state.step > 0 ? state.order[state.step - 1][0] : 0;
    if (follow && (x(focus) < box.scrollLeft + LEFT || x(focus) + column > box.scrollLeft + box.clientWidth)) box.scrollLeft = x(focus) - box.clientWidth / 2;
    tell();
  }

  function tell() {
    const { step, order, alpha, best, mode: kind } = state, T = state.logB.length, S = data.states;
    const heard = (t, j) => `The frame fits by ${log1(state.logB[t][j])}`;
    if (T < S) {
      says.textContent = `${T} frames cannot pass ${S} states: there is no path.`;
    } else if (step === 0) {
      says.textContent = "Nothing has been heard. A word begins in state 1.";
    } else if (step <= order.length) {
      const [t, j] = order[step - 1], table = kind === "sum" ? alpha : best.delta, place = `Frame ${t + 1}, state ${j + 1}: `;
      if (t === 0) says.textContent = `${place}the word begins here. ${heard(t, j)}: ${log1(table[t][j])} nats.`;
      else {
        const parts = inflow(table, t, j, state.stay).filter(([i]) => table[t - 1][i] > NONE), p = (i) => (i === j ? state.stay : 1 - state.stay);
        const texts = parts.map(([i, share]) => `${i === j ? "stay" : `from ${i + 1}`} ${log1(table[t - 1][i] + Math.log(p(i)))}`
          + (kind === "sum" && parts.length > 1 ? ` (${percent(share)} %)` : ""));
        const took = kind === "sum" ? (parts.length > 1 ? `, together ${log1(table[t][j] - state.logB[t][j])}` : "")
          : parts.length > 1 ? `; the better is ${best.from[t][j] === j ? "to stay" : `from ${j}`}` : "";
        says.textContent = `${place}${texts.join(", ")}${took}. ${heard(t, j)}: ${log1(table[t][j])} nats.`;
      }
    } else {
      const lit = step - order.length, t = T - lit, j = best.path[t];
      says.textContent = lit < T ? `Back: frame ${t + 1} was state ${j + 1}; it came from state ${best.from[t][j] + 1}.`
        : `The best path: ${spans(best.path)}. Press “Hear it”: the states light up as they are heard.`;
    }
    const share = state.all === null ? 0 : Math.exp(best.score - state.all);
    const facts = [["Paths through the table", countPaths(T, S).toLocaleString("en")], ["Nodes to fill", String(order.length)],
      ["All paths added up", state.all === null ? "–" : `${log1(state.all)} nats`],
      ["The best path alone", state.all === null ? "–" : `${log1(best.score)} nats, ${format.percent(share, share < 0.1 ? 1 : 0)} of all`]];
    sums.replaceChildren(...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  function spans(path) {
    return Array.from({ length: data.states }, (_, j) => {
      const n = path.filter((k) => k === j).length;
      return `state ${j + 1} for ${format.number(n * data.hop, 2)} s`;
    }).join(", ");
  }

  return () => { steps.stop(); stopSound(); stopWatching(); };
}

export default { render };
