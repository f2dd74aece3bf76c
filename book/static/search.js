// Looks through the prose of all sections (search-data.js) and lists those that hold every word of the query.
(function () {
  "use strict";

  const MOST = 40, AROUND = 110; // results that are shown; letters beside the first word that was found
  const POINTS = { page: 12, title: 8, whole: 3, part: 1 };
  const words = (text) => text.toLowerCase().split(/[^\p{Letter}\p{Number}_]+/u).filter(Boolean);

  // "kernels" finds "kernel", and "train" finds "training": the ending of a longer word does not count.
  const stem = (word) => (word.length > 4 ? word.replace(/(?:ies|es|s|ing|ed)$/, "") : word);

  function score(query, title, prose, isPage) {
    let sum = 0;
    const heading = words(title), text = words(prose);
    for (const word of query) {
      const starts = (other) => other.startsWith(stem(word));
      const inTitle = heading.some(starts) ? (isPage ? POINTS.page : POINTS.title) : 0;
      const here = text.reduce((all, other) => all + (other === word ? POINTS.whole : starts(other) ? POINTS.part : 0), 0);
      if (!inTitle && !here) return 0;
      sum += inTitle + Math.min(10, here) + here / (20 + text.length); // many, then dense
    }
    return sum;
  }

  function find(pages, query) {
    const found = [];
    for (const { page, sections, last } of pages) {
      const [, name] = sections[0];
      sections.forEach(([anchor, title, prose], k) => {
        const points = score(query, k ? title : name, prose, k === 0);
        if (points) found.push({ address: page + (anchor && `#${anchor}`), name, title: k ? title : "", prose, points, last });
      });
    }
    return found.sort((a, b) => a.last - b.last || b.points - a.points);
  }

  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    made.className = className;
    made.append(...children);
    return made;
  }

  // A passage around the first word, with all words marked.
  function passage(prose, query) {
    const pattern = new RegExp(`(?<![\\p{Letter}\\p{Number}])(?:${query.map(stem).join("|")})[\\p{Letter}\\p{Number}]*`, "giu");
    const first = prose.search(pattern), from = Math.max(0, first - AROUND);
    const start = from ? prose.indexOf(" ", from) + 1 : 0, until = prose.indexOf(" ", Math.max(start, first) + 2 * AROUND);
    const text = prose.slice(start, until < 0 ? undefined : until), parts = [];
    let end = 0;
    for (const one of text.matchAll(pattern)) {
      parts.push(text.slice(end, one.index), element("mark", "", one[0]));
      end = one.index + one[0].length;
    }
    return element("p", "search-passage", start ? "… " : "", ...parts, text.slice(end), until < 0 ? "" : " …");
  }

  function show(query) {
    const out = document.getElementById("search-results"), wanted = words(query);
    out.replaceChildren();
    if (!wanted.length) return;
    const found = find(window["SEARCH_DATA"] || [], wanted);
    const places = `${found.length} ${found.length === 1 ? "place" : "places"}`;
    const summary = !found.length ? "No section has all these words. Try fewer of them."
      : found.length > MOST ? `${places}; the first ${MOST}:` : `${places}:`;
    const root = document.documentElement.dataset.content_root || "./";
    const list = element("ol", "search", ...found.slice(0, MOST).map(({ address, name, title, prose }) => {
      const link = element("a", "", title || name);
      link.href = root + address;
      return element("li", "", link, title ? element("span", "search-page", name) : "", passage(prose, wanted));
    }));
    out.append(element("p", "search-summary", summary), list);
  }

  const query = new URLSearchParams(location.search).get("q") || "";
  document.querySelectorAll('input[name="q"]').forEach((/** @type {HTMLInputElement} */ field) => { field.value = query; });
  /** @type {HTMLInputElement} */ (document.querySelector(".bd-search-container input[name='q']"))?.focus();
  show(query);
})();
