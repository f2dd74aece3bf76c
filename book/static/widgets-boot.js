// Runs after require.js and before the widget manager, on pages with widgets only.
(function () {
  "use strict";
  var vendor = (document.documentElement.dataset.content_root || "./") + "_static/vendor/";
  window.require.config({
    paths: {
      // It comes with the page: the manager would otherwise look for it on another host.
      anywidget: vendor + "anywidget/index",
      // These are in the manager's file already; their addresses tell it where its fonts are.
      "@jupyter-widgets/html-manager/dist/libembed-amd": vendor + "html-manager/libembed-amd",
      "@jupyter-widgets/html-manager": vendor + "html-manager/index",
      "@jupyter-widgets/controls": vendor + "html-manager/controls",
      "@jupyter-widgets/base": vendor + "html-manager/base",
    },
  });

  // The manager still speaks MathJax 2. Its one call becomes MathJax 3's typesetPromise, as soon as that is there.
  function typeset(element, tries) {
    if (window.MathJax.typesetPromise) {
      window.MathJax.startup.promise.then(function () { return window.MathJax.typesetPromise([element]); });
    } else if (tries > 0) {
      setTimeout(typeset, 200, element, tries - 1);
    }
  }
  var hub = {
    Config: function () {},
    Queue: function (task) { if (Array.isArray(task) && task[2]) typeset(task[2], 50); },
  };
  // MathJax 3 puts an object of its own in the place of its settings: whichever is there, it gets the call.
  var current = window.MathJax || {};
  current.Hub = hub;
  Object.defineProperty(window, "MathJax", {
    configurable: true,
    get: function () { return current; },
    set: function (next) { current = next; current.Hub = hub; },
  });
})();
