// Word errors over two weights, and the texts that win. The arithmetic is that of asrlab/scoring/surface.py;
// tests/widgets/test_weight_surface.py holds the two equal.

const SHOWN = 5; // recordings of each kind

// Which of the texts has the best score; of equals the first.
export function choose(texts, x, y) {
  let best = 0, most = -Infinity;
  texts.forEach((one, i) => {
    const score = one.base + x * one.parts[0] + y * one.parts[1];
    if (score > most) [best, most] = [i, score];
  });
  return best;
}

export function errorsAt(lists, x, y) {
  return lists.reduce((sum, one) => sum + one.texts[choose(one.texts, x, y)].errors, 0);
}

// A row for each of the first weights, in it the errors for each of the second.
export function surface(lists, xs, ys) {
  return xs.map((x) => ys.map((y) => errorsAt(lists, x, y)));
}

// Where the first model has no say, with the second weight that is best there.
export function without(errors, xs) {
  const i = xs.reduce((nearest, x, k) => (Math.abs(x) < Math.abs(xs[nearest]) ? k : nearest), 0);
  return [i, errors[i].indexOf(Math.min(...errors[i]))];
}

// Recordings that are better, and worse, at (x, y) than at (x0, y0), those that change most first.
export function changes(lists, [x0, y0], [x, y]) {
  const found = lists.map((one) => {
    const before = one.texts[choose(one.texts, x0, y0)], after = one.texts[choose(one.texts, x, y)];
    return { said: one.said, before: before.text, after: after.text, gain: before.errors - after.errors };
  });
  const most = (a, b) => Math.abs(b.gain) - Math.abs(a.gain);
  return { rescued: found.filter((one) => one.gain > 0).sort(most), spoiled: found.filter((one) => one.gain < 0).sort(most) };
}

function render({ model, el }) {
  const { title, axes: [first, second], lists } = model.get("data");
  const xs = first.weights, ys = second.weights, errors = surface(lists, xs, ys);
  const words = lists.reduce((sum, one) => sum + one.words, 0), home = without(errors, xs);
  const all = errors.flat(), least = Math.min(...all), most = Math.max(...all);
  const state = { i: first.start, j: second.start, width: 0 };
  const card = frame(el, { title, help: "Each square is a pair of weights, the darker the fewer errors. Press one, or move the sliders." });
  const show = (values) => (k) => format.number(values[k], 1);
  const across = slider({ label: first.label, min: 0, max: xs.length - 1, value: state.i, format: show(xs) }, (k) => { state.i = k; update(); });
  const up = slider({ label: second.label, min: 0, max: ys.length - 1, value: state.j, format: show(ys) }, (k) => { state.j = k; update(); });
  const map = h("div", { class: "ws-map" });
  const result = h("p", { class: "ws-result" });
  const tables = h("div", { class: "ws-tables" });
  const best = button("Go to the fewest errors", () => {
    state.i = errors.findIndex((line) => line.includes(least));
    state.j = errors[state.i].indexOf(least);
    across.value = state.i;
    up.value = state.j;
    update();
  });
  card.append(row(across, up, best), map, result, tables);
  let marker = null, place = null;

  function draw() {
    const width = Math.min(state.width, 640), left = 44, top = 22, cell = (width - left - 6) / xs.length;
    const tall = Math.max(12, Math.min(22, cell)), height = top + tall * ys.length + 40;
    place = (i, j) => ({ x: left + i * cell, y: top + (ys.length - 1 - j) * tall });
    const share = (value) => 0.06 + 0.94 * (1 - (value - least) / (most - least || 1)) ** 2;
    const cells = errors.flatMap((line, i) => line.map((value, j) => s("rect", { ...place(i, j), width: cell - 1, height: tall - 1,
      fill: tint("--sense", share(value)), class: "ws-cell" }, s("title", {}, `${format.percent(value / words, 1)}`))));
    const every = Math.ceil(34 / cell);
    const below = xs.flatMap((x, i) => (i % every ? [] : [s("text", { x: place(i, 0).x + cell / 2, y: height - 24, "text-anchor": "middle" }, format.number(x, 1))]));
    const beside = ys.flatMap((y, j) => (j % 2 ? [] : [s("text", { x: left - 6, y: place(0, j).y + tall / 2, "text-anchor": "end",
      "dominant-baseline": "middle" }, format.number(y, 1))]));
    marker = s("rect", { class: "ws-here", width: cell - 1, height: tall - 1 });
    const from = s("rect", { ...place(...home), class: "ws-home", width: cell - 1, height: tall - 1 });
    const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
      "aria-label": `Word errors for every pair of weights, from ${format.percent(least / words, 1)} to ${format.percent(most / words, 1)}` },
    cells, below, beside, from, marker,
    s("text", { x: left, y: 12 }, second.label), s("text", { x: width - 6, y: height - 6, "text-anchor": "end" }, first.label));
    map.replaceChildren(svg);
    drag(svg, ({ x, y }) => {
      const i = Math.floor((x * width - left) / cell), j = ys.length - 1 - Math.floor((y * height - top) / tall);
      if (i < 0 || j < 0 || i >= xs.length || j >= ys.length || (i === state.i && j === state.j)) return;
      state.i = i;
      state.j = j;
      across.value = i;
      up.value = j;
      update();
    });
    update();
  }

  function table(name, found, kind) {
    if (!found.length) return null;
    const lines = found.slice(0, SHOWN).map((one) => h("tr", {}, h("td", {}, one.said), h("td", {}, one.before || "(nothing)"),
      h("td", { class: `ws-${kind}` }, one.after || "(nothing)")));
    const more = found.length > SHOWN ? `, and ${found.length - SHOWN} more` : "";
    return h("div", {}, h("strong", {}, `${found.length} ${name}${more ? ` (${SHOWN} are shown)` : ""}`),
      h("table", {}, h("thead", {}, h("tr", {}, ["said", "without", "now"].map((one) => h("th", {}, one)))), h("tbody", {}, lines)));
  }

  function update() {
    if (!marker) return;
    for (const [name, value] of Object.entries(place(state.i, state.j))) marker.setAttribute(name, value);
    const here = errors[state.i][state.j], base = errors[home[0]][home[1]];
    const found = changes(lists, [xs[home[0]], ys[home[1]]], [xs[state.i], ys[state.j]]);
    result.replaceChildren(h("strong", {}, format.percent(here / words, 1)), ` of ${words} words wrong; `,
      `${format.percent(base / words, 1)} at the dashed square, ${first.label} 0.`);
    tables.replaceChildren(...[table("rescued", found.rescued, "good"), table("spoiled", found.spoiled, "bad")].filter(Boolean));
    describe(card, `${first.label} ${format.number(xs[state.i], 1)}, ${second.label} ${format.number(ys[state.j], 1)}: `
      + `${format.percent(here / words, 1)} wrong, ${found.rescued.length} rescued, ${found.spoiled.length} spoiled.`);
  }

  return responsive(card, (width) => { state.width = width; draw(); });
}

export default { render };
