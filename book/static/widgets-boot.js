// Runs after require.js and before the widget manager, on pages with widgets only.
(function () {
  "use strict";
  var root = document.documentElement.dataset.content_root || "./";
  // anywidget comes with the page: the manager would otherwise look for it on another host.
  window.require.config({ paths: { anywidget: root + "_static/vendor/anywidget/index" } });
  // The manager still speaks MathJax 2; its one call becomes MathJax 3's typesetPromise.
  window.MathJax = window.MathJax || {};
  window.MathJax.Hub = {
    Config: function () {},
    Queue: function (task) {
      var element = Array.isArray(task) ? task[2] : null;
      if (element && window.MathJax.typesetPromise) {
        window.MathJax.typesetPromise([element]);
      }
    },
  };
})();
