// Brings the listening cards of asrlab.pages.listen to life: a playhead on the picture, and words that light up while they are
// said and can be played alone. Without this script a card still has the browser's own audio controls.
(function () {
  "use strict";

  var PLAY = '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M7 3.5v17l14-8.5z"/></svg>';
  var PAUSE = '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M5 4h5v16H5zM14 4h5v16h-5z"/></svg>';

  function make(tag, className, parent) {
    var element = document.createElement(tag);
    element.className = className;
    if (parent) parent.appendChild(element);
    return element;
  }

  function enliven(card) {
    var audio = card.querySelector("audio");
    var view = card.querySelector(".listen-view");
    var words = card.querySelector(".listen-words");
    var seconds = Number(card.dataset.seconds);
    var stopAt = Infinity;

    audio.controls = false;
    audio.style.display = "none";
    var bar = make("div", "listen-bar", card);
    var button = make("button", "listen-play", bar);
    button.type = "button";
    bar.appendChild(words);
    var time = make("span", "listen-time", bar);
    var playhead = make("div", "listen-playhead", view);
    var span = make("div", "listen-span", view);

    var timed = Array.from(words.querySelectorAll("[data-start]")).map(function (text) {
      var word = make("button", "");
      word.type = "button";
      word.textContent = text.textContent;
      word.title = "Hear this word alone";
      words.replaceChild(word, text);
      var entry = { element: word, start: Number(text.dataset.start), end: Number(text.dataset.end) };
      function mark(on) {
        span.style.left = (100 * entry.start) / seconds + "%";
        span.style.width = (100 * (entry.end - entry.start)) / seconds + "%";
        span.classList.toggle("on", on);
      }
      word.addEventListener("click", function () { play(entry.start, entry.end); });
      word.addEventListener("pointerenter", function () { mark(true); });
      word.addEventListener("pointerleave", function () { mark(false); });
      word.addEventListener("focus", function () { mark(true); });
      word.addEventListener("blur", function () { mark(false); });
      return entry;
    });

    function draw() {
      var now = audio.currentTime;
      playhead.style.visibility = now > 0 ? "visible" : "hidden";
      playhead.style.left = Math.min(100, (100 * now) / seconds) + "%";
      time.textContent = now.toFixed(1) + " / " + seconds.toFixed(1) + " s";
      var going = !audio.paused;
      timed.forEach(function (word) {
        word.element.classList.toggle("on", going && now >= word.start && now < word.end);
      });
      if (now >= stopAt) audio.pause();
    }

    function follow() {
      draw();
      if (!audio.paused) requestAnimationFrame(follow);
    }

    function play(from, until) {
      document.querySelectorAll("figure.listen audio").forEach(function (/** @type {HTMLAudioElement} */ other) {
        if (other !== audio) other.pause();
      });
      stopAt = until;
      audio.currentTime = from;
      audio.play().catch(function () { time.textContent = "this browser cannot play the sound"; });
    }

    function show(playing) {
      button.innerHTML = playing ? PAUSE : PLAY;
      button.setAttribute("aria-label", playing ? "Pause" : "Play the recording");
    }

    button.addEventListener("click", function () {
      if (audio.paused) play(audio.ended || audio.currentTime >= Math.min(stopAt, seconds) ? 0 : audio.currentTime, Infinity);
      else audio.pause();
    });
    view.addEventListener("click", function (event) {
      var box = view.getBoundingClientRect();
      play((seconds * (event.clientX - box.left)) / box.width, Infinity);
    });
    audio.addEventListener("play", function () { show(true); follow(); });
    audio.addEventListener("pause", function () { show(false); draw(); });
    audio.addEventListener("seeked", draw);
    show(false);
    draw();
  }

  document.querySelectorAll("figure.listen").forEach(enliven);
})();
