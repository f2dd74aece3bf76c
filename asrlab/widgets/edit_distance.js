// The table of edit distances, filled one cell at a time, and the way back through it. The arithmetic is that of
// asrlab/scratch/edit_distance.py; tests/widgets/test_edit_distance_widget.py holds the two equal.

const MOST = 30; // units of a side that the table shows
const LETTER = { equal: "", substitute: "S", delete: "D", insert: "I" };
const SPOKEN = { equal: "keep", substitute: "substitute", delete: "delete", insert: "insert" };

// The units of a text: its words, or its characters with one space between two words.
export function unitsOf(text, unit) {
  const words = text.split(/\s+/).filter((word) => word !== "");
  return unit === "word" ? words : [...words.join(" ")];
}

export function distanceTable(reference, hypothesis) {
  const table = [Array.from({ length: hypothesis.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= reference.length; i += 1) {
    const above = table[i - 1], here = [i];
    for (let j = 1; j <= hypothesis.length; j += 1) {
      here.push(Math.min(above[j - 1] + (reference[i - 1] === hypothesis[j - 1] ? 0 : 1), above[j] + 1, here[j - 1] + 1));
    }
    table.push(here);
  }
  return table;
}

// The steps into a cell that cost no more than it says; the first of them is the one that `align` takes.
export function cheapest(table, reference, hypothesis, i, j) {
  const kinds = [];
  if (i > 0 && j > 0) {
    const same = reference[i - 1] === hypothesis[j - 1];
    if (table[i][j] === table[i - 1][j - 1] + (same ? 0 : 1)) kinds.push(same ? "equal" : "substitute");
  }
  if (i > 0 && table[i][j] === table[i - 1][j] + 1) kinds.push("delete");
  if (j > 0 && table[i][j] === table[i][j - 1] + 1) kinds.push("insert");
  return kinds;
}

export function align(reference, hypothesis) {
  const table = distanceTable(reference, hypothesis), steps = [];
  let i = reference.length, j = hypothesis.length;
  while (i > 0 || j > 0) {
    const kind = cheapest(table, reference, hypothesis, i, j)[0];
    i -= kind === "insert" ? 0 : 1;
    j -= kind === "delete" ? 0 : 1;
    steps.push([kind, i, j]);
  }
  return steps.reverse();
}

// Substitutions, deletions, insertions, and their sum by the length of the reference (null if that is empty).
export function counts(reference, hypothesis) {
  const steps = align(reference, hypothesis);
  const number = (kind) => steps.filter(([one]) => one === kind).length;
  const found = { substitute: number("substitute"), delete: number("delete"), insert: number("insert") };
  const edits = found.substitute + found.delete + found.insert;
  return { ...found, edits, rate: reference.length ? edits / reference.length : null };
}

const shown = (unit) => (unit === " " ? "␣" : unit);
const quoted = (unit) => `“${shown(unit)}”`;
const ARROW = { equal: "↖", substitute: "↖", delete: "↑", insert: "←" };

// What a step says about the cell (i, j), counted from 1.
export function explain(table, reference, hypothesis, i, j) {
  const said = reference[i - 1], heard = hypothesis[j - 1], same = said === heard;
  const ways = [
    same ? `keep ${quoted(said)}: ${table[i - 1][j - 1]}`
      : `substitute ${quoted(heard)} for ${quoted(said)}: ${table[i - 1][j - 1]} + 1`,
    `delete ${quoted(said)}: ${table[i - 1][j]} + 1`,
    `insert ${quoted(heard)}: ${table[i][j - 1]} + 1`,
  ];
  return `Row ${quoted(said)}, column ${quoted(heard)}. ${ways.join("; ")}. The least is ${table[i][j]}.`;
}

function render({ model, el }) {
  const data = model.get("data");
  const state = { unit: data.unit };
  const card = frame(el, {
    title: "Edit distance, one cell at a time",
    help: "Change either text. Step with the arrow keys: the table fills row by row, then the cheapest way is walked back.",
  });

  const said = field({ label: "What was said (reference)", value: data.reference }, restart);
  const heard = field({ label: "What was heard (hypothesis)", value: data.hypothesis }, restart);
  const unit = choice({ label: "Count in", options: [["word", "words"], ["character", "characters"]], value: data.unit },
    (next) => { state.unit = next; restart(); });
  const pairs = data.examples.map((one, k) => [String(k), one.name]);
  const menu = pairs.length === 0 ? null : h("label", { class: "aw-control" }, h("span", { class: "aw-label" }, "Examples"),
    h("select", { onchange: (event) => pick(event.target.value) },
      h("option", { value: "" }, "choose …"), pairs.map(([key, name]) => h("option", { value: key }, name))));
  const box = h("div", { class: "aw-scroll ed-box", role: "group", "aria-label": "Table of edit distances; arrow keys step" });
  const steps = stepper({ label: "Steps through the table", count: 1, speed: 2, keys: box }, show);
  const message = h("p", { class: "aw-note ed-says", role: "status" });
  const alignment = h("div", { class: "aw-scroll", tabindex: "0", role: "group", "aria-label": "Alignment" });
  const result = h("p", { class: "ed-result" });
  card.append(row(said, heard), row(unit, menu), box, steps, message, alignment, result);

  function pick(key) {
    if (key === "") return;
    said.value = data.examples[key].reference;
    heard.value = data.examples[key].hypothesis;
    restart();
  }

  function restart() {
    const texts = [said.value, heard.value].map((text) => unitsOf(text, state.unit));
    [state.reference, state.hypothesis] = texts.map((units) => units.slice(0, MOST));
    state.cut = texts.some((units) => units.length > MOST);
    state.table = distanceTable(state.reference, state.hypothesis);
    state.path = align(state.reference, state.hypothesis);
    state.filled = state.reference.length * state.hypothesis.length;
    state.at = null;
    drawTable();
    steps.count = 1 + state.filled + state.path.length;
    steps.value = steps.count - 1; // the finished picture; play begins at the beginning
    steps.speed = Math.max(2, state.filled / 12);
    show(steps.value);
  }

  function drawTable() {
    const { reference, hypothesis, table } = state;
    const highest = Math.max(reference.length, hypothesis.length, 1);
    state.cells = table.map((line, i) => line.map((value, j) => {
      const arrows = cheapest(table, reference, hypothesis, i, j).map((kind) => ARROW[kind]);
      return h("td", { style: { background: tint("--sense", (0.45 * value) / highest) } },
        h("span", { class: "ed-arrows", "aria-hidden": "true" }, arrows.join("")), h("span", {}, String(value)));
    }));
    const head = h("tr", {}, h("td", { class: "ed-corner" }, h("span", { "aria-hidden": "true" }, "said ↓", h("br"), "heard →")),
      h("th", { scope: "col" }, "–"), hypothesis.map((one) => h("th", { scope: "col" }, shown(one))));
    const body = state.cells.map((line, i) =>
      h("tr", {}, h("th", { scope: "row" }, i === 0 ? "–" : shown(reference[i - 1])), line));
    box.replaceChildren(h("table", { class: "ed-table" }, h("thead", {}, head), h("tbody", {}, body)));
  }

  // State k: the first k cells inside are filled; beyond the last, k minus their number of steps back are taken.
  function show(k) {
    const { reference, hypothesis, table, path, filled, cells } = state;
    const columns = hypothesis.length, back = Math.max(0, k - filled), taken = path.slice(path.length - back);
    const on = new Map(taken.map(([kind, i, j]) =>
      [cells[i + (kind === "insert" ? 0 : 1)][j + (kind === "delete" ? 0 : 1)], kind]));
    if (back === path.length && back > 0) on.set(cells[0][0], "start");
    cells.forEach((line, i) => line.forEach((cell, j) => {
      const known = i === 0 || j === 0 || (i - 1) * columns + j <= k;
      const wanted = [known ? "" : "ed-empty", on.has(cell) ? `ed-path ed-${on.get(cell)}` : ""].join(" ").trim();
      if (cell.className !== wanted) cell.className = wanted;
    }));
    const at = k === 0 || k > filled ? null : cells[1 + Math.floor((k - 1) / columns)][1 + ((k - 1) % columns)];
    at?.classList.add("ed-now");
    const focus = at ?? (back > 0 && back < path.length ? [...on.keys()][0] : null);
    if (focus) box.scrollLeft = Math.max(0, focus.offsetLeft + focus.offsetWidth + 8 - box.clientWidth);

    if (k === 0 && filled + path.length > 0) {
      message.textContent = "The edges are known: from nothing to j units takes j insertions, from i units to nothing i deletions.";
    } else if (k <= filled && at) {
      message.textContent = explain(table, reference, hypothesis, 1 + Math.floor((k - 1) / columns), 1 + ((k - 1) % columns));
    } else if (back < path.length) {
      const [kind, i, j] = taken[0];
      const what = { equal: quoted(reference[i]), substitute: `${quoted(reference[i])} by ${quoted(hypothesis[j])}`,
        delete: quoted(reference[i]), insert: quoted(hypothesis[j]) }[kind];
      message.textContent = `Back from the corner: ${SPOKEN[kind]} ${what}.`;
    } else {
      const cut = state.cut ? ` Only the first ${MOST} units of a side are shown.` : "";
      message.textContent = path.length ? `The way back is complete: ${table.at(-1).at(-1)} edits, and no way is cheaper.${cut}`
        : "Type a text on both sides.";
    }
    drawAlignment(taken, back === path.length);
  }

  function drawAlignment(taken, complete) {
    const { reference, hypothesis } = state;
    const line = (name, side) => h("tr", {}, h("th", { scope: "row" }, name), taken.map(([kind, i, j]) => {
      const units = { said: kind === "insert" ? "·" : shown(reference[i]), heard: kind === "delete" ? "·" : shown(hypothesis[j]),
        edit: LETTER[kind] };
      return h("td", { class: `ed-${kind}`, title: kind === "equal" ? null : kind }, units[side]);
    }));
    alignment.replaceChildren(h("table", { class: "ed-alignment" },
      h("tbody", {}, line("said", "said"), line("heard", "heard"), line("edit", "edit"))));
    alignment.hidden = taken.length === 0;
    const found = counts(reference, hypothesis), name = state.unit === "word" ? "WER" : "CER";
    const units = `${reference.length} ${state.unit}${reference.length === 1 ? "" : "s"} said`;
    result.hidden = !complete;
    result.replaceChildren(
      ...[["substitute", "substituted"], ["delete", "deleted"], ["insert", "inserted"]].map(([kind, word]) =>
        h("span", { class: `ed-count ed-${kind}` }, `${found[kind]} ${word}`)),
      h("span", { class: "ed-rate" }, found.rate === null ? `${name}: undefined, nothing was said`
        : `${name} = ${found.edits} / ${units} = ${format.percent(found.rate, 1)}`));
  }

  restart();
  return () => steps.stop();
}

export default { render };
