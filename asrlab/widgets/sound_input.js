// A file or the microphone, handed to Python as a WAV of one channel.

// 16-bit WAV of samples in [-1, 1].
export function wavBytes(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, letters) => [...letters].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"); view.setUint32(4, 36 + 2 * samples.length, true); text(8, "WAVEfmt ");
  [[16, 16, 4], [20, 1, 2], [22, 1, 2], [24, rate, 4], [28, 2 * rate, 4], [32, 2, 2], [34, 16, 2]].forEach(([at, v, size]) =>
    (size === 4 ? view.setUint32(at, v, true) : view.setUint16(at, v, true)));
  text(36, "data"); view.setUint32(40, 2 * samples.length, true);
  samples.forEach((v, i) => view.setInt16(44 + 2 * i, Math.max(-32768, Math.min(32767, Math.round(32768 * v))), true));
  return view;
}

// For the golden test: the bytes as numbers.
export const wavNumbers = (samples, rate) => [...new Uint8Array(wavBytes(samples, rate).buffer)];

// What to tell readers whose microphone cannot be used, by the name of the browser's error.
export function microphoneMessage(name) {
  return {
    NotAllowedError: "The browser was not allowed to use the microphone. Allow it in the address bar, or choose a file instead.",
    SecurityError: "This page may not use the microphone. Choose a file instead.",
    NotFoundError: "No microphone was found. Plug one in, or choose a file instead.",
    NotReadableError: "The microphone is busy: another program may be using it. Close that program, or choose a file instead.",
    Unsupported: "This browser offers no microphone here (it does on localhost and on https pages). Choose a file instead.",
  }[name] ?? "The microphone could not be used. Choose a file instead.";
}

async function oneChannel(blob, rate, seconds) {
  const bytes = await blob.arrayBuffer();
  if (!bytes.byteLength) throw new Error("The file is empty.");
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new Error("This is no sound that the browser can read. WAV, FLAC, MP3, OGG and M4A usually are.");
  }
  if (buffer.duration > seconds) throw new Error(`${buffer.duration.toFixed(0)} seconds are too long here; at most ${seconds}.`);
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, c) => buffer.getChannelData(c));
  return Float32Array.from(channels[0], (_, i) => channels.reduce((sum, one) => sum + one[i], 0) / channels.length);
}

export default {
  render({ model, el }) {
    const rate = model.get("sample_rate"), most = model.get("max_seconds");
    const card = frame(el, { title: "Your sound", help: `A file, or the microphone: up to ${most} seconds. It stays on this machine.` });
    const message = note(""), file = h("input", { type: "file", accept: "audio/*", "aria-label": "A sound file" });
    const hear = h("span", {});
    let recorder = null, timer = 0, sound = null;

    async function take(blob, name) {
      message.textContent = "Reading …";
      try {
        const samples = await oneChannel(blob, rate, most);
        const peak = samples.reduce((high, v) => Math.max(high, Math.abs(v)), 0);
        sound?.stop();
        sound = player({ samples, rate });
        hear.replaceChildren(sound.button("Hear it"));
        message.textContent = `${name}: ${format.seconds(samples.length / rate)}${peak < 1e-3 ? ". It is silent: is the microphone switched on?" : ""}`;
        model.set("name", name);
        model.set("wav", wavBytes(samples, rate));
        model.save_changes();
      } catch (error) {
        message.textContent = error.message;
      }
      describe(card, message.textContent);
    }
    file.addEventListener("change", () => file.files[0] && take(file.files[0], file.files[0].name));

    const record = button("Record", () => (recorder ? recorder.stop() : start()), { kind: "main" });
    async function start() {
      try {
        if (!navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error(), { name: "Unsupported" });
        const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
        const parts = [];
        recorder = new MediaRecorder(stream);
        recorder.ondataavailable = (event) => parts.push(event.data);
        recorder.onstop = () => {
          clearTimeout(timer);
          stream.getTracks().forEach((track) => track.stop());
          const type = recorder.mimeType;
          recorder = null;
          record.textContent = "Record";
          take(new Blob(parts, { type }), "microphone");
        };
        recorder.start();
        timer = setTimeout(() => recorder?.stop(), 1000 * most - 500);
        record.textContent = "Stop";
        message.textContent = "Speak now.";
      } catch (error) {
        message.textContent = microphoneMessage(error.name);
      }
      describe(card, message.textContent);
    }
    card.append(row(file, record, hear), message);
    return () => { sound?.stop(); clearTimeout(timer); recorder?.stop(); };
  },
};
