// What a page does for its reader beside its text: it marks what scrolls with a fading edge, and prints well.
(function () {
  "use strict";

  // ---- what is wider than its box fades where it goes on ----
  const SCROLLS = ".bd-article mjx-container[display], .bd-article div.highlight pre, .bd-article .pst-scrollable-table-container, "
    + ".bd-article .output pre, .bd-article figure.plot > div, .asrlab-alignment, .equation-entry div.math, .asrlab-widget .aw-scroll";

  function mark(box) {
    const left = box.scrollLeft, rest = box.scrollWidth - box.clientWidth - left;
    box.classList.toggle("more-left", left > 4);
    box.classList.toggle("more-right", rest > 4);
  }

  const sizes = new ResizeObserver((seen) => seen.forEach((one) => mark(one.target)));
  function watch(root) {
    for (const box of root.querySelectorAll(SCROLLS)) {
      if (!box.dataset.marked) {
        box.dataset.marked = "";
        sizes.observe(box);
      }
      mark(box);
    }
  }
  document.addEventListener("scroll", (/** @type {any} */ event) => { if (event.target.matches?.(SCROLLS)) mark(event.target); }, { capture: true, passive: true });
  watch(document);
  const changed = new Set();
  const widgets = new MutationObserver((seen) => {
    if (!changed.size) requestAnimationFrame(() => { changed.forEach(watch); changed.clear(); });
    for (const one of /** @type {any[]} */ (seen)) changed.add(one.target.closest(".widget-place") ?? one.target);
  });
  for (const place of document.querySelectorAll(".widget-place, .cell_output")) widgets.observe(place, { childList: true, subtree: true });

  // ---- on paper: light, nothing folded that belongs to the text, nothing wider than the sheet ----
  const PAPER = 620; // pixels of a column on A4, less a little for the numbers of equations
  let undo = [];

  function set(object, name, value) {
    const before = object[name];
    undo.push(() => { object[name] = before; });
    object[name] = value;
  }

  function onPaper() {
    if (undo.length) return;
    const root = document.documentElement;
    set(root.dataset, "theme", "light");
    for (const one of document.querySelectorAll(".bd-article details:not(.equation-code, .hide)")) set(one, "open", true);
    for (const formula of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("mjx-container[display]"))) {
      const width = formula.firstElementChild?.getBoundingClientRect().width ?? 0;
      if (width > PAPER) set(formula.style, "fontSize", `${Math.floor((110 * PAPER) / width)}%`);
    }
    for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".aw-scroll"))) {
      if (box.scrollWidth > PAPER) set(box.style, "zoom", String(PAPER / box.scrollWidth));
    }
  }
  function offPaper() {
    undo.reverse().forEach((restore) => restore());
    undo = [];
  }
  window.addEventListener("beforeprint", onPaper);
  window.addEventListener("afterprint", offPaper);
})();
