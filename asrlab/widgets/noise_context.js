// The first thing on the book's first page: noise on a slider, and a recogniser's words with and without context. Python has
// computed every answer; this shows them, and mixes the same noise into the sound that is heard.

export function mix(clean, noise, gain, loudest) {
  const sum = clean.map((v, i) => v + gain * noise[i]);
  const most = sum.reduce((a, v) => Math.max(a, Math.abs(v)), 1e-9);
  return most > loudest ? sum.map((v) => (v * loudest) / most) : sum;
}

export function labelOf(db) {
  if (db === null) return "none";
  if (db === 0) return "as loud as the voice";
  return `${Math.abs(db)} dB ${db > 0 ? "below" : "above"} the voice`;
}

// Share of the said words that are wrong in an alignment [[kind, said, heard], ...].
export function wrongShare(ops) {
  return ops.filter(([kind]) => kind !== "equal").length / ops.filter(([kind]) => kind !== "insert").length;
}

const LINES = [["alone", "From the sound alone, letter by letter"], ["context", "With context: words it knows, and what usually follows what"]];

function render({ model, el }) {
  const data = model.get("data"), { levels } = data;
  const card = frame(el, { title: "Turn up the noise" });
  let now = data.start, sound = null, parts = null;
  const picture = h("img", { class: "nc-picture" }), hear = h("span", { class: "nc-hear" });
  const level = slider({ label: "Noise", min: 0, max: levels.length - 1, value: now, format: (k) => labelOf(levels[k].db) },
    (k) => { now = k; show(); });
  const lines = LINES.map(([name, title]) => ({ name, title, words: h("p", { class: "nc-words" }), tally: h("span", { class: "nc-tally" }) }));
  card.append(picture, row(level, hear),
    ...lines.map(({ title, words, tally }) => h("div", { class: "nc-line" }, h("p", { class: "aw-label" }, title, " ", tally), words)),
    note(`Said by ${data.voice}, a synthetic voice that the recogniser never heard: “${data.said}”`));

  function word([kind, said, heard]) {
    if (kind === "equal") return [h("span", {}, heard), " "];
    if (kind === "delete") return [h("span", { class: "nc-missing", title: `missing: ${said}` }, "…"), " "];
    return [h("span", { class: "nc-wrong", title: kind === "insert" ? "was not said" : `said: ${said}` }, heard), " "];
  }

  function show() {
    const here = levels[now];
    picture.src = `data:image/png;base64,${here.picture}`;
    picture.alt = `Spectrogram of the recording, noise ${labelOf(here.db)}`;
    for (const { name, words, tally } of lines) {
      words.replaceChildren(...here[name].flatMap(word));
      const wrong = wrongShare(here[name]);
      tally.textContent = wrong ? `· ${format.percent(wrong)} wrong` : "· all right";
      tally.classList.toggle("nc-good", !wrong);
    }
    sound?.stop();
    if (parts) {
      sound = player({ samples: mix(parts[0], parts[1], here.gain, data.loudest), rate: data.rate });
      hear.replaceChildren(sound.button("Hear it"));
    }
    describe(card, lines.map(({ name, title }) => `${title}: ${here[name].map(([, , heard]) => heard).join(" ")}`).join(". "));
  }

  show();
  Promise.all([data.sound, data.noise].map((one) => player(one).decode(data.rate)))
    .then((buffers) => { parts = buffers.map((one) => one.getChannelData(0)); show(); })
    .catch((error) => { hear.textContent = "This browser cannot play the sound."; console.warn(error); });
  return () => sound?.stop();
}

export default { render };
