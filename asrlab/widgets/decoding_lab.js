// A recorded run of the decoding lab: the answers for one sound under every setting, chosen by the same knobs.

export function runKey(beam, weight, lexicon) {
  return `${beam} ${weight} ${Number(lexicon)}`;
}

export default {
  render({ model, el }) {
    const data = model.get("data"), sound = player(data.sound);
    let [beam, weight, lexicon] = data.start;
    const card = frame(el, { title: "The decoding lab, a recorded run",
      help: "The knobs work, on this one recording. In Jupyter the same lab takes your own file or microphone. Press a word to hear it." });
    const strip = h("div", { class: "dl-strip" },
      h("img", { src: `data:image/png;base64,${data.picture}`, alt: "Spectrogram of the recording" }), h("div", { class: "dl-words" }));
    const rows = h("tbody"), answer = h("p", { class: "dl-best" });
    const knob = (label, values, value, show, set) => values.length < 2 ? null : slider({ label, min: 0, max: values.length - 1,
      value: values.indexOf(value), format: (i) => show(values[i]) }, (i) => { set(values[i]); draw(); });
    card.append(
      row(sound.button("Hear it"), knob("Beam", data.beams, beam, String, (v) => { beam = v; }),
        knob("Language model weight", data.weights, weight, (v) => (v ? format.number(v, 1) : "off"), (v) => { weight = v; }),
        data.lexicon ? checkbox({ label: "words of the lexicon only", value: lexicon }, (v) => { lexicon = v; draw(); }) : null),
      strip, answer,
      h("div", { class: "aw-scroll" }, h("table", { class: "dl-table" },
        h("thead", {}, h("tr", {}, ["answer", "score", "sound", "language"].map((name) => h("th", { scope: "col" }, name)))), rows)));

    function word([text, start, end, confidence]) {
      return h("button", { type: "button", class: "dl-word", title: `${start} to ${end} s, confidence ${format.percent(confidence)}`,
        style: { "--sure": `${100 * confidence}%` }, onclick: () => sound.play(start, end).catch((error) => describe(card, error.message)) }, text);
    }
    function draw() {
      const found = data.runs[runKey(beam, weight, lexicon)];
      answer.replaceChildren(...(found[0].words.length ? found[0].words.map(word) : ["(nothing)"]));
      strip.querySelector(".dl-words").replaceChildren(...found[0].words.map(([text, start, end]) => h("span", {
        style: { left: `${(100 * start) / data.seconds}%`, width: `${(100 * (end - start)) / data.seconds}%` } }, text)));
      rows.replaceChildren(...found.map((one) => h("tr", {}, h("td", {}, one.words.map(([text]) => text).join(" ") || "(nothing)"),
        one.parts.map((v) => h("td", { class: "dl-number" }, format.number(v, 2))))));
      describe(card, `Best answer: ${found[0].words.map(([text]) => text).join(" ")}`);
    }
    draw();
    return () => sound.stop();
  },
};
