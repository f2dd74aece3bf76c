// Formulas in TeX from standard input, as [[tex, display], ...]; to standard output what a browser shows without any script:
// {"html": [...], "css": "..."}. Run by static_maths.py when the pages have been written.
"use strict";

const [modules, fonts] = process.argv.slice(2);
const mathjax = require(modules + "/mathjax/es5/node-main.js");

async function main() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const formulas = JSON.parse(Buffer.concat(chunks).toString("utf8"));
  const MathJax = await mathjax.init({
    loader: { load: ["input/tex", "output/chtml", "adaptors/liteDOM", "a11y/assistive-mml"] },
    startup: { typeset: false },
    chtml: { fontURL: fonts, adaptiveCSS: true },
  });
  const adaptor = MathJax.startup.adaptor;
  const html = [];
  for (const [tex, display] of formulas) html.push(adaptor.outerHTML(await MathJax.tex2chtmlPromise(tex, { display })));
  const css = adaptor.textContent(MathJax.chtmlStylesheet());
  process.stdout.write(JSON.stringify({ html, css }));
}

main().catch((error) => { console.error(error); process.exit(1); });
