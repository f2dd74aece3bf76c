// Bars of all recognisers at one place of one axis. Rates, intervals and answers were computed by asrlab; this draws them.

const ROW = 58, BAR = 16, TOP = 8, FOOT = 40;

// What stands on the screen: for each system its rate, interval and answer, in the order of data.systems.
export function rowsOf(data, axisKey, index, training) {
  const axis = data.axes.find((one) => one.key === axisKey);
  const level = axis.levels[index];
  const trained = training in level.rates ? training : Object.keys(level.rates)[0];
  return data.systems.map(({ key, label, colour }) => {
    const [value, low, high] = level.rates[trained][key];
    const heard = level.heard[trained][key];
    return { key, label, colour, value, low, high, heard, right: heard === level.said };
  });
}

// One sentence for those who do not see the bars.
export function spokenRows(rows) {
  return rows.map((row) => `${row.label} ${format.percent(row.value)} wrong, between ${format.percent(row.low)} and `
    + `${format.percent(row.high)}, heard ${row.heard}`).join("; ");
}

export function homeOf(data, axisKey) {
  const levels = data.axes.find((one) => one.key === axisKey).levels;
  return Math.max(0, levels.findIndex((level) => level.home || level.seen));
}

function drawRows(rows, width, before) {
  const room = width - 8, x = scale([0, 1], [0, room - 52]);
  const height = TOP + rows.length * ROW + FOOT;
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const bottom = TOP + rows.length * ROW;
  return s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "ce-bars", "aria-label": spokenRows(rows) },
    ticks.map((v) => [
      s("line", { class: "aw-grid", x1: 4 + x(v), x2: 4 + x(v), y1: TOP, y2: bottom }),
      s("text", { class: "ce-tick", x: 4 + x(v), y: bottom + 16, "text-anchor": v === 0 ? "start" : "middle" }, `${100 * v} %`)]),
    s("text", { class: "ce-tick", x: 4, y: bottom + 33 }, "words misrecognised, with 95 % interval"),
    rows.map((row, i) => {
      const y = TOP + i * ROW, middle = y + 24 + BAR / 2;
      return s("g", { class: "ce-row", "data-system": row.key, "data-rate": row.value },
        s("text", { class: "ce-name", x: 4, y: y + 16 }, row.label),
        s("text", { class: row.right ? "ce-right" : "ce-wrong", x: width - 4, y: y + 16, "text-anchor": "end" },
          `${row.right ? "✓" : "✗"} heard “${row.heard}”`),
        s("rect", { class: "ce-bar", x: 4, y: y + 24, width: Math.max(1.5, x(row.value)), height: BAR, rx: 3, style: { fill: row.colour } }),
        before && s("line", { class: "ce-home", x1: 4 + x(before[i].value), x2: 4 + x(before[i].value), y1: y + 21, y2: y + 27 + BAR }),
        s("path", { class: "ce-interval", d: `M${4 + x(row.low)} ${middle}H${4 + x(row.high)}M${4 + x(row.low)} ${middle - 5}v10M${4 + x(row.high)} ${middle - 5}v10` }),
        s("text", { class: "ce-value", x: 10 + x(Math.max(row.high, row.value)), y: middle + 4 }, format.percent(row.value)));
    }));
}

export default {
  render({ model, el }) {
    const data = model.get("data");
    const card = frame(el, {
      title: "Change one thing",
      help: "Choose what is changed and move the slider. The thin upright mark is where each recogniser stood at home.",
    });
    if (!data?.axes?.length || !data.systems?.length) {
      card.append(note("There are no measurements to show. Run the cells above this one first."));
      return undefined;
    }
    let axis = data.axes.find((one) => one.key === "noise") ?? data.axes[0], width = 0, sound = null;
    let training = data.trainings[0].key;
    const level = () => axis.levels[place.value];
    const place = slider({ label: "", min: 0, max: 1, format: (k) => axis.levels[Math.min(k, axis.levels.length - 1)].label }, draw);
    place.classList.add("ce-place");
    const input = place.querySelector("input"), caption = place.querySelector(".aw-label");
    const which = choice({ label: "What is changed", options: data.axes.map(({ key, label }) => [key, label]), value: axis.key },
      (key) => { axis = data.axes.find((one) => one.key === key); turn(); });
    const taught = choice({ label: "All were trained on", options: data.trainings.map(({ key, label }) => [key, label]), value: training },
      (key) => { training = key; draw(); });
    const picture = h("div", { class: "ce-picture" }), hear = h("span", {}), about = note("");
    card.append(row(which, place), taught, h("div", { class: "aw-row ce-hear" }, hear, about), picture);

    function turn() {
      input.max = axis.levels.length - 1;
      caption.textContent = axis.what;
      taught.hidden = axis.key === "size";
      taught.style.display = axis.key === "size" ? "none" : "";
      place.value = homeOf(data, axis.key);
      draw();
    }
    function draw() {
      const here = level(), rows = rowsOf(data, axis.key, place.value, training);
      const before = here.home ? null : rowsOf(data, axis.key, homeOf(data, axis.key), training);
      sound?.stop();
      sound = player(data.sounds[here.sound], "audio/mpeg");
      hear.replaceChildren(sound.button(`Hear “${here.said}”`));
      about.textContent = `The voice of ${here.voice}; ${here.count} recordings, `
        + (axis.key === "size" || axis.key === "noise" || axis.key === "rate" ? "a voice that training does not have."
          : here.seen ? `this ${axis.key} is in the training set.` : `this ${axis.key} is not in the training set.`);
      if (width) picture.replaceChildren(drawRows(rows, width, before));
      describe(card, `${axis.what}: ${here.label}. ${spokenRows(rows)}`);
    }
    turn();
    place.value = Math.min(2, axis.levels.length - 1); // not at home, where there is little to see
    draw();
    const unwatch = responsive(card, (space) => { width = Math.min(space, 720); draw(); });
    return () => { unwatch(); sound?.stop(); };
  },
};
