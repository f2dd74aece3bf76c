// What a reader has done: kept in this browser, shown on every page, exported and imported as a file. A page that is opened
// as a file may have a store of its own; the file carries what is done from one to the other.
(function () {
  "use strict";

  var KEY = "asrlab-progress";
  var FORMAT = "asrlab-progress";
  var done = read();

  function read() {
    try {
      return valid(JSON.parse(localStorage.getItem(KEY))) || {};
    } catch (error) {
      return {}; // no store here, or something else in it
    }
  }

  // {name: true}, or null for anything else.
  function valid(found) {
    if (!found || typeof found !== "object" || Array.isArray(found)) return null;
    var names = Object.keys(found).filter(function (name) { return found[name] === true && name.length < 100; });
    return Object.fromEntries(names.map(function (name) { return [name, true]; }));
  }

  function write() {
    try {
      localStorage.setItem(KEY, JSON.stringify(done));
    } catch (error) {
      console.info("This browser keeps nothing for this page; export the progress instead.");
    }
    show();
  }

  function mark(name, yes) {
    if (yes) done[name] = true; else delete done[name];
    write();
  }

  function all(selector, within) { return Array.from((within || document).querySelectorAll(selector)); }

  function show() {
    all("input[data-done]").forEach(function (box) { box.checked = done[box.dataset.done] === true; });
    all(".quiz").forEach(function (quiz) {
      var asked = all("[data-done]", quiz);
      var found = asked.filter(function (question) { return done[question.dataset.done]; });
      quiz.querySelector(".quiz-state").textContent = found.length + " of " + asked.length + " answered";
    });
    all("[data-count]").forEach(function (place) {
      var names = place.dataset.count.split(" ");
      var found = names.filter(function (name) { return done[name]; });
      place.textContent = found.length + " of " + names.length + " questions answered";
    });
    all(".progress-board").forEach(function (board) {
      var boxes = all("input[data-done]", board);
      var ticked = boxes.filter(function (box) { return box.checked; });
      board.querySelector(".progress-total").textContent = ticked.length + " of " + boxes.length + " exercises done";
    });
  }

  function button(text, parent, act) {
    var made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", act);
    parent.appendChild(made);
    return made;
  }

  function save() {
    var text = JSON.stringify({ format: FORMAT, version: 1, done: done }, null, 1) + "\n";
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = "asrlab-progress.json";
    link.click();
    setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  }

  async function load(file, status) {
    var found = null;
    try {
      var content = JSON.parse(await file.text());
      found = content.format === FORMAT ? valid(content.done) : null;
    } catch (error) {
      found = null;
    }
    if (!found) {
      status.textContent = "This is not a file of progress. Take one that was exported here, or by asrlab grade --progress.";
      return;
    }
    Object.assign(done, found);
    write();
  }

  function addControls(board) {
    var bar = document.createElement("p");
    bar.className = "progress-buttons";
    var status = board.querySelector(".progress-total");
    var picker = document.createElement("input");
    picker.type = "file";
    picker.accept = "application/json,.json";
    picker.hidden = true;
    picker.setAttribute("aria-label", "File of progress");
    picker.addEventListener("change", function () {
      if (picker.files.length) load(picker.files[0], status);
      picker.value = "";
    });
    button("Export", bar, save);
    button("Import", bar, function () { picker.click(); });
    button("Forget all", bar, function () {
      if (window.confirm("Forget everything that is marked as done?")) { done = {}; write(); }
    });
    bar.appendChild(picker);
    board.appendChild(bar);
  }

  all("input[data-done]").forEach(function (box) {
    box.disabled = false;
    box.addEventListener("change", function () { mark(box.dataset.done, box.checked); });
  });
  all(".quiz-right").forEach(function (choice) {
    choice.addEventListener("toggle", function () {
      if (choice.open) mark(choice.closest("[data-done]").dataset.done, true);
    });
  });
  all(".progress-board").forEach(addControls);
  window.addEventListener("storage", function () { done = read(); show(); }); // another page was ticked
  show();
})();
