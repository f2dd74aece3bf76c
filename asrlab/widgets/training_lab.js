// A training as it goes on, or as it was recorded: losses and error rates over the epochs, and for the epoch one stands at
// the transcripts of a few sentences with their errors, and where the attention looked. Python puts everything into
// `data`; a live lab replaces it after each epoch.

// The epoch whose weights a training keeps: the lowest word error rate on dev, of equal ones the last.
export function bestEpoch(lines) {
  let best = null;
  for (const line of lines) if (line.dev_wer !== undefined && (!best || line.dev_wer <= best.dev_wer)) best = line;
  return best?.epoch ?? null;
}

// Words that are wrong in an alignment [[kind, said, heard], ...], by the words that were said.
export function errorRate(ops) {
  const said = ops.filter(([kind]) => kind !== "insert").length;
  return said ? ops.filter(([kind]) => kind !== "equal").length / said : null;
}

const VIEW = { width: 360, height: 190 };
const CURVES = [
  { name: "training loss, nats", keys: [["loss", "--sound", "", "loss"]], factor: 1 },
  { name: "dev, %", factor: 100,
    keys: [["dev_wer", "--sense", "", "words wrong"], ["dev_cer", "--sound", "5 4", "letters wrong"],
      ["blank", "--mute", "1 4", "blank frames"]] },
];

function render({ model, el }) {
  const runs = model.get("runs") ?? [];
  let chosen = 0;
  const data = () => runs[chosen]?.data ?? model.get("data");
  const lines = () => data().lines ?? [];
  const card = frame(el, {
    title: "A training, epoch by epoch",
    help: "Step through the epochs: the curves grow, and the same sentences of new voices are written down again.",
  });
  const what = h("p", { class: "aw-note tl-what" }), charts = h("div", { class: "tl-charts" });
  const sentences = h("div", { class: "tl-sentences" }), picture = h("div", { class: "tl-attention" });
  const says = h("p", { class: "tl-says", role: "status" });
  const steps = stepper({ label: "Epoch", count: 1, speed: 2,
    format: (k) => (lines().length ? `epoch ${k + 1}` : "no epoch yet") }, show);
  const which = runs.length > 1 && choice({ label: "Recorded run", value: 0, options: runs.map(({ title }, k) => [k, title]) },
    (k) => { chosen = k; open(); });
  card.append(...[which, what, steps, says, charts, sentences, picture].filter(Boolean));

  function chart({ name, keys, factor }, upTo) {
    const all = lines(), values = keys.flatMap(([key]) => all.map((line) => factor * (line[key] ?? 0)));
    const across = scale([1, Math.max(2, data().epochs)], [38, VIEW.width - 10]);
    const up = scale([0, (values.length ? Math.max(1e-6, ...values) * 1.05 : 100)], [VIEW.height - 38, 24]);
    const at = (line, key) => `${across(line.epoch).toFixed(1)} ${up(factor * line[key]).toFixed(1)}`;
    const said = keys.map(([key, , , shown]) => `${shown} ${format.number(factor * (all[upTo]?.[key] ?? NaN), 1)}`);
    return s("svg", { viewBox: `0 0 ${VIEW.width} ${VIEW.height}`, role: "img", class: "tl-chart", "aria-label":
      `${name} after epoch ${upTo + 1}: ${said.join(", ")}` },
    axes({ ...VIEW, x: across, y: up, xlabel: "epoch", ylabel: name }),
    keys.map(([key, colour, dashes]) => {
      const known = all.slice(0, upTo + 1).filter((line) => line[key] !== undefined);
      if (!known.length) return null;
      const last = known.at(-1);
      return [s("path", { d: `M${known.map((line) => at(line, key)).join("L")}`, fill: "none", stroke: `var(${colour})`,
        "stroke-width": 2.2, "stroke-dasharray": dashes, class: `tl-${key}` }),
      s("circle", { cx: across(last.epoch), cy: up(factor * last[key]), r: 4, fill: `var(${colour})` })];
    }));
  }

  function legend() {
    return h("p", { class: "aw-note tl-legend" }, CURVES[1].keys.map(([, colour, dashes, name]) => h("span", {},
      s("svg", { viewBox: "0 0 30 8", width: 30, height: 8, "aria-hidden": "true" },
        s("line", { x1: 0, x2: 30, y1: 4, y2: 4, stroke: `var(${colour})`, "stroke-width": 2.5, "stroke-dasharray": dashes })),
      name)));
  }

  function word([kind, said, heard]) {
    if (kind === "equal") return h("span", { class: "tl-equal" }, heard);
    if (kind === "delete") return h("span", { class: "tl-delete", title: "missing" }, h("del", {}, said));
    if (kind === "insert") return h("span", { class: "tl-insert", title: "not said" }, h("ins", {}, heard));
    const title = `${said} was said`;
    return h("span", { class: "tl-substitute", title }, h("del", {}, said), " ", h("ins", {}, heard));
  }

  function show(k) {
    const line = lines()[k], { snapshots = [], state = "" } = data();
    charts.replaceChildren(...CURVES.map((one) => chart(one, k)), legend());
    if (!line) {
      says.textContent = state === "failed" ? data().message : "Nothing has been learned yet.";
      sentences.replaceChildren();
      picture.replaceChildren();
      return;
    }
    const shown = (key) => (line[key] === undefined ? "–" : format.percent(line[key], 1));
    const mark = bestEpoch(lines()) === line.epoch ? " The best so far: these weights are kept." : "";
    const end = state === "failed" && k === lines().length - 1 ? ` Here the training ended: ${data().message}` : "";
    says.textContent = `After epoch ${line.epoch}: loss ${format.number(line.loss, 1)} nats, ${shown("dev_wer")} of the words`
      + ` and ${shown("dev_cer")} of the letters wrong, ${shown("blank")} of the frames blank.${mark}${end}`;
    const seen = snapshots.find((one) => one.epoch === line.epoch);
    sentences.replaceChildren(...(seen ? seen.examples.map(sentence)
      : [note("The transcripts of this epoch come with the next one.")]));
    picture.replaceChildren(...(seen?.attention ? attention(seen.attention, seen.examples[0].said) : []));
  }

  function sentence({ said, ops }) {
    const silent = ops.every(([, , heard]) => !heard);
    return h("div", { class: "tl-sentence" }, h("p", { class: "aw-note" }, `said: ${said}`),
      h("p", { class: "tl-heard" }, silent && h("em", {}, "nothing at all "), ops.map((op) => [word(op), " "])));
  }

  function attention({ rows, labels }, said) {
    return [note(`Where the decoder looked in “${said}”: a row for each letter, the first at the bottom; time runs to the right.`),
      heatmap(rows, { label: `Attention of ${labels.length} letters over ${rows[0].length} frames` })];
  }

  // A recorded run begins at its beginning; a live one stays at its newest epoch until the reader goes back.
  function open() {
    refresh(false);
    steps.value = 0;
    show(0);
  }

  function refresh(following = steps.value >= steps.count - 1) {
    const { settings = {}, utterances = 0, minutes = 0 } = data(), count = Math.max(1, lines().length);
    const head = settings.decoder ? " with an attention decoder" : "";
    const encoder = model.get("encoders")?.[settings.encoder] ?? settings.encoder;
    what.textContent = !settings.encoder ? "" : `${settings.size} ${encoder}${head}, augmentation: `
      + `${settings.augmentation}, learning rate ${settings.learning_rate}, ${utterances} utterances (${minutes} minutes)`;
    steps.count = count;
    if (following) steps.value = count - 1;
    show(steps.value);
  }

  const grow = () => refresh();
  model.on?.("change:data", grow);
  if (runs.length) open();
  else refresh();
  return () => { steps.stop(); model.off?.("change:data", grow); };
}

export default { render };
