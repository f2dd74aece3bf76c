// Mounts the widgets of a page that has no kernel. The page carries each widget's state, its script and its style in it;
// this gives them what anywidget would: a model to read from and an element to draw in. No other program is needed.
(function () {
  "use strict";

  var STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  var VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';
  var NEAR = "800px"; // mounted when it is closer to the screen than this, or when the browser has nothing else to do
  var modules = new Map(); // script -> promise of its module
  var styles = new Set();

  // Bytes travel beside the state, in base64, each with the path of where it belongs.
  function withBuffers(entry) {
    (entry.buffers || []).forEach(function (buffer) {
      var bytes = Uint8Array.from(atob(buffer.data), function (letter) { return letter.charCodeAt(0); });
      var last = buffer.path.length - 1;
      var owner = buffer.path.slice(0, last).reduce(function (at, key) { return at[key]; }, entry.state);
      owner[buffer.path[last]] = new DataView(bytes.buffer);
    });
    return entry.state;
  }

  function modelOf(state) {
    var listeners = [];
    return {
      get: function (name) { return state[name]; },
      set: function (name, value) {
        if (Object.is(state[name], value)) return;
        state[name] = value;
        listeners.slice().forEach(function (one) {
          if (one.event === "change:" + name) one.call(this, value);
          if (one.event === "change") one.call(this);
        }, this);
      },
      save_changes: function () {}, // there is nobody to save for
      send: function () {},
      on: function (event, call) { listeners.push({ event: event, call: call }); },
      off: function (event, call) {
        listeners = listeners.filter(function (one) {
          return (event && one.event !== event) || (call && one.call !== call);
        });
      },
    };
  }

  function moduleOf(script) {
    if (!modules.has(script)) {
      var address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
      modules.set(script, import(address).finally(function () { URL.revokeObjectURL(address); }));
    }
    return modules.get(script);
  }

  function addStyle(text) {
    if (!text || styles.has(text)) return;
    styles.add(text);
    document.head.appendChild(document.createElement("style")).textContent = text;
  }

  function say(place, text) {
    place.dataset.state = "failed";
    place.replaceChildren(Object.assign(document.createElement("p"), { textContent: text }));
  }

  async function mount(place, entry) {
    if (place.dataset.state !== "waiting") return;
    place.dataset.state = "starting";
    if (!entry || !entry.state._esm) {
      return say(place, "This control works in a running notebook: download it at the top of this page.");
    }
    try {
      var state = entry.ready || (entry.ready = withBuffers(entry)); // two views of one model share it
      var model = entry.model || (entry.model = modelOf(state));
      addStyle(state._css);
      var widget = (await moduleOf(state._esm)).default;
      if (typeof widget === "function") widget = await widget();
      if (!entry.begun) entry.begun = Promise.resolve(widget.initialize && widget.initialize({ model: model }));
      await entry.begun;
      var el = document.createElement("div");
      place.replaceChildren(el);
      await widget.render({ model: model, el: el });
      place.dataset.state = "mounted";
    } catch (error) {
      say(place, "This widget could not start in this browser. The text around it does not depend on it.");
      console.error(error);
    }
  }

  // One state on a page of the book; the book as one page (tools/pdf.py) has several.
  var states = Object.assign({}, ...Array.from(document.querySelectorAll(STATE), function (text) {
    return JSON.parse(text.textContent).state;
  }));
  var waiting = Array.from(document.querySelectorAll(VIEW), function (view) {
    var place = view.nextElementSibling; // the build has put it there (extensions/site_pages.py)
    return { place: place, entry: states[JSON.parse(view.textContent).model_id] };
  });
  function mountAll() { waiting.forEach(function (one) { mount(one.place, one.entry); }); }

  var watcher = new IntersectionObserver(function (seen) {
    seen.forEach(function (one) {
      if (!one.isIntersecting) return;
      watcher.unobserve(one.target);
      var found = waiting.find(function (other) { return other.place === one.target; });
      mount(found.place, found.entry);
    });
  }, { rootMargin: NEAR });
  waiting.forEach(function (one) { watcher.observe(one.place); });

  // The rest one by one, so that the Tab key, a search in the page and the printer find them too.
  var idle = window.requestIdleCallback || function (call) { setTimeout(call, 300); };
  async function mountNext() {
    var next = waiting.find(function (one) { return /** @type {HTMLElement} */ (one.place).dataset.state === "waiting"; });
    if (!next) return;
    await mount(next.place, next.entry);
    idle(mountNext);
  }
  window.addEventListener("load", function () { idle(mountNext); });
  window.addEventListener("beforeprint", mountAll);
})();
