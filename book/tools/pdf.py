"""The built book as one PDF: python book/tools/pdf.py [--output FILE] [PAGE ...]

All pages become one page, in the order of the contents, with links that stay inside; Chromium opens it, waits until the
widgets stand there, and prints it with its outline. What a reader sees in print is decided in book.css and reading.js.
"""

import argparse
import os
import posixpath
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
SITE, OUTPUT = ROOT / "_build" / "html", ROOT / "_build" / "pdf" / "book.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge")
POINTS = ("id", "href", "src", "for", "aria-labelledby", "aria-describedby")
READY = """async () => {
  await document.fonts.ready;
  const waiting = () => document.querySelector('.widget-place:is([data-state=waiting], [data-state=starting])');
  while (waiting()) await new Promise(done => setTimeout(done, 100));
}"""


def pages(site: Path) -> list:
    """The book's pages in the order of its contents, as addresses below the site: what `next` leads to, one by one."""
    found, address = [], "book/index.html"
    while address and address not in found:
        found.append(address)
        following = BeautifulSoup((site / address).read_text(encoding="utf-8"), "html.parser").select_one(
            "a.right-next"
        )
        address = posixpath.normpath(posixpath.join(posixpath.dirname(address), following["href"])) if following else ""
    return found


def whole(site: Path, addresses: Sequence[str], folder: Path) -> str:
    """One HTML page of many. It will lie in `folder`; `addresses` are below `site`."""
    first = BeautifulSoup((site / addresses[0]).read_text(encoding="utf-8"), "html.parser")
    to_site = Path(os.path.relpath(site, folder)).as_posix()
    numbers = {address: number for number, address in enumerate(addresses)}
    articles = [_article(site, address, numbers, to_site) for address in addresses]
    head = "".join(
        f'<link rel="stylesheet" href="{to_site}/{_below(addresses[0], link["href"])}">'
        for link in first.select('link[rel="stylesheet"]')
    )
    scripts = [f'<script defer src="{to_site}/_static/{name}.js"></script>' for name in ("widgets", "reading")]
    return (
        f'<!doctype html><html lang="en" data-theme="light" data-mode="light"><head><meta charset="utf-8">'
        f'<title>{first.title.string}</title>{head}</head><body><main class="bd-main"><div class="bd-content">'
        f'<div class="bd-article-container"><article class="bd-article">{"".join(articles)}</article></div></div>'
        "</main>"
        f"{''.join(scripts)}</body></html>"
    )


def _below(address: str, target: str) -> str:
    """Where a link of a page leads, as an address below the site."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(address), target))


def _article(site: Path, address: str, numbers: dict, to_site: str) -> str:
    """A page's text with ids of its own, and links that lead into the same document where they can."""
    page = BeautifulSoup((site / address).read_text(encoding="utf-8"), "html.parser")
    article, mark = page.select_one("article.bd-article"), f"p{numbers[address]}-"
    for sound in article.select("audio"):  # a page of paper is silent, and sounds are most of its bytes
        sound.decompose()
    for element in article.find_all(True):
        for name in POINTS:
            if name in element.attrs:
                element[name] = _pointed(name, element[name], address, numbers, mark, to_site)
    for style in [style for style in article.find_all(style=re.compile(r"url\(#"))]:
        style["style"] = re.sub(r"url\(#", f"url(#{mark}", style["style"])
    for element in article.find_all(attrs={"clip-path": True}):
        element["clip-path"] = element["clip-path"].replace("url(#", f"url(#{mark}")
    for link in article.find_all("use", href=re.compile("^#")):
        link["href"] = f"#{mark}{link['href'][1:]}"
    states = [str(one) for one in page.select('script[type="application/vnd.jupyter.widget-state+json"]')]
    inside = "".join(str(child) for child in article.children)
    others = "".join(one for one in states if one not in inside)
    return f'<section id="{mark}top" class="whole-page">{inside}{others}</section>'


def _pointed(name: str, value: str, address: str, numbers: dict, mark: str, to_site: str) -> str:
    if name in ("id", "for", "aria-labelledby", "aria-describedby"):
        return " ".join(mark + one for one in value.split())
    parts = urlsplit(value)
    if parts.scheme or value.startswith("data:"):
        return value
    target = _below(address, parts.path) if parts.path else address
    if name == "href" and target in numbers:
        return f"#p{numbers[target]}-{parts.fragment or 'top'}"
    return f"{to_site}/{target}{'#' + parts.fragment if parts.fragment else ''}"


def browser() -> str:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        sys.exit(f"None of {', '.join(BROWSERS)} is installed; on Debian: apt-get install chromium")
    return found


def write(html: Path, pdf: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=browser(), args=["--no-sandbox", "--disable-gpu"])
        page = running.new_page(viewport={"width": 800, "height": 1000}, reduced_motion="reduce")
        page.set_default_timeout(600_000)
        page.goto(html.as_uri(), wait_until="load")
        page.evaluate(READY)
        footer = '<div style="font-size:8px;width:100%;text-align:center"><span class="pageNumber"></span></div>'
        page.pdf(
            path=str(pdf), prefer_css_page_size=True, outline=True, tagged=True, print_background=True,
            display_header_footer=True, header_template="<span></span>", footer_template=footer,
        )  # fmt: skip
        running.close()


def main(arguments: "list | None" = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument(
        "pages", nargs="*", metavar="PAGE", help="such as book/3-mathematics/attention.html; default: all"
    )
    options = parser.parse_args(arguments)
    if not (SITE / "book" / "index.html").exists():
        sys.exit(f"{SITE}: no built site; run `make book` first")
    options.output.parent.mkdir(parents=True, exist_ok=True)
    html = options.output.resolve().with_suffix(".html")
    html.write_text(whole(SITE, options.pages or pages(SITE), html.parent), encoding="utf-8")
    write(html, options.output)
    html.unlink()
    print(f"The book: {options.output.resolve().as_uri()}")


if __name__ == "__main__":
    main()
