"""Load a page of the built book in a browser that can reach the site and nothing else, and note what is seen."""

from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
PATIENCE = 90_000  # ms; a machine that trains a model at the same time answers late


def pages() -> list:
    """Addresses of all pages of the site but the one at its root, which only sends the reader on."""
    found = (path.relative_to(SITE).as_posix() for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts)
    return [address for address in found if address != "index.html"]


@dataclass
class Visit:
    """What was seen while a page was loaded and looked at."""

    address: str
    foreign: list = field(default_factory=list)  # requests to another host; they were not let through
    broken: list = field(default_factory=list)  # requests to the site that it could not answer
    errors: list = field(default_factory=list)  # what the console and the page reported
    asked: list = field(default_factory=list)  # addresses of the site that the page asked for
    responses: list = field(default_factory=list)  # what the site answered
    facts: dict = field(default_factory=dict)  # what LOOK found on the page
    faults: dict = field(default_factory=dict)  # "light" and "dark" -> axe's serious and critical findings
    width: int = 0  # of the content on a phone, in pixels
    weight: int = 0  # bytes of the page and of everything that it asks for, not compressed


LOOK = """() => ({
  maths: document.querySelectorAll('.math').length,
  rendered: [...document.querySelectorAll('.math')].filter(e => e.querySelector('math')).length,
  faulty: [...document.querySelectorAll('mjx-merror')].map(e => e.textContent),
  images: [...document.images].map(i => ({
      source: i.currentSrc.slice(0, 80), shown: i.complete && i.naturalWidth > 0, alt: i.getAttribute('alt')})),
  sounds: [...document.querySelectorAll('audio')].map(a => ({seconds: a.duration, error: a.error && a.error.message})),
  cards: document.querySelectorAll('figure.listen').length,
  alive: document.querySelectorAll('figure.listen .listen-play').length,
  widgets: document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]').length,
  places: [...document.querySelectorAll('.widget-place')].map(e => ({
      state: e.dataset.state, name: e.querySelector('[data-widget]')?.dataset.widget ?? null,
      text: e.innerText.slice(0, 80), height: e.offsetHeight,
      focusable: e.querySelectorAll('button, input, select, [tabindex="0"]').length})),
  title: document.title,
  headings: document.querySelectorAll('h1').length,
  description: document.querySelector('meta[name="description"], meta[property="og:description"]')?.content ?? '',
})"""

SETTLED = """async () => {
  await document.fonts.ready;
  while (document.querySelector('.widget-place:is([data-state=waiting], [data-state=starting])'))
    await new Promise(done => setTimeout(done, 50)); // they are mounted when the browser has nothing else to do
  await Promise.all([...document.querySelectorAll('audio')].map(a => a.readyState || a.error ? 0 :
      new Promise(done => { a.addEventListener('loadedmetadata', done); a.addEventListener('error', done); })));
}"""

AUDIT = """async () => {
  const rules = {region: {enabled: false}};
  const found = await axe.run(document, {resultTypes: ['violations'], preload: false, rules});
  return found.violations.filter(v => ['serious', 'critical'].includes(v.impact))
      .map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160)).join(' | '));
}"""


# Presses a control of a widget as a reader would, and says how long the browser was busy without a break, in ms.
LONGEST_TASK = """async (control) => {
  const seen = [];
  const watcher = new PerformanceObserver(list => seen.push(...list.getEntries().map(e => e.duration)));
  watcher.observe({entryTypes: ['longtask']});
  const pause = () => new Promise(done => setTimeout(done, 250));
  await pause();
  seen.length = 0;
  if (control.type === 'range') {
    for (const share of [0, 1, 0.5]) {
      control.value = Number(control.min) + share * (control.max - control.min);
      control.dispatchEvent(new Event('input', {bubbles: true}));
      await pause();
    }
  } else {
    control.click();
    await pause();
  }
  seen.push(...watcher.takeRecords().map(e => e.duration));
  watcher.disconnect();
  return Math.max(0, ...seen);
}"""


def slide(widget, label: str, value):
    """Move the slider of a widget that is labelled so to a value."""
    widget.locator("label", has_text=label).locator("input[type=range]").fill(str(value))


def faults(page) -> dict:
    """What axe finds on a page: {"light": serious and critical faults, "dark": the same}."""
    page.add_script_tag(path=str(AXE))
    found = {}
    for mode in ("light", "dark"):
        page.evaluate("mode => { document.documentElement.dataset.theme = mode; }", mode)
        found[mode] = page.evaluate(AUDIT)
    return found


def width_on_a_phone(page) -> int:
    """How wide the page is on a phone, in pixels: PHONE["width"] unless something sticks out."""
    page.set_viewport_size(PHONE)
    page.wait_for_timeout(300)  # pictures are drawn anew for the new size
    return page.evaluate("() => document.documentElement.scrollWidth")


def open_page(browser, site: str, address: str, visit: Visit, **options):
    """A page in a browser of its own that can reach the site and nothing else."""
    context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce", **options)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()

    def gate(route, request):
        if request.url.startswith((site, "data:", "blob:")):
            if request.url.startswith(site):
                visit.asked.append(request.url)
            return route.continue_()
        visit.foreign.append(request.url)
        return route.abort()

    def keep(response):
        if response.status >= 400:
            visit.broken.append(f"{response.status} {response.url}")
        elif response.status < 300 and response.url.startswith(site):
            visit.responses.append(response)

    context.route("**/*", gate)
    page.on("response", keep)
    page.on("console", lambda message: visit.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.goto(site + address, wait_until="load")
    page.evaluate(SETTLED)
    return page


def look(browser, site: str, address: str) -> Visit:
    visit = Visit(address)
    page = open_page(browser, site, address, visit, color_scheme="light")
    visit.facts = page.evaluate(LOOK)
    visit.weight = sum(len(response.body()) for response in visit.responses)
    visit.faults = faults(page)
    visit.width = width_on_a_phone(page)
    page.context.close()
    return visit
