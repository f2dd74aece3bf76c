"""The notation of grammars, a part of the Java Speech Grammar Format (JSGF, 1998), read into a tree.

    #JSGF V1.0;                                  // this line and the next may be left out
    grammar coffee;
    public <order> = [please] (a | an) [<size>] <drink> {intent=order};
    <size>  = (/2/ small | large) {size};        // small is twice as probable; the word said becomes the slot "size"
    <drink> = (tea | iced* coffee) {drink};

A rule is a name, `=`, an expansion and `;`; a sentence is what a `public` rule expands to.  `a b` is a sequence,
`a | b` a choice, `( )` holds things together, `[ ]` may be left out, `*` is any number of times, `+` once or more.
`/2/` before an alternative is its weight (without, 1); what may be left out is left out half of the time, and a
repetition goes on with probability 1/2.  A tag in braces belongs to what stands just before it: `{slot}` takes the
words that were said there, `{slot=value}` the value.  `<NULL>` is nothing, `<FILLER>` a stretch of anything that the
grammar does not have.  Comments are as in C.  Words are written as the recogniser writes them; in "quotes" they may
hold other characters.

A grammar must be *regular*, so that an automaton can hold it: a rule may use itself as the last thing that it says, and
nowhere else.  Every error names line and column.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from asrlab.core.errors import AsrlabError

NULL, FILLER = "NULL", "FILLER"  # names of rules that are always there
MOST_NESTED = 50  # brackets within brackets, or signs behind one another


class Place(NamedTuple):
    """Where something stands, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True)
class Say:
    """One word."""

    word: str
    at: Place


@dataclass(frozen=True)
class Use:
    """Another rule, by its name."""

    rule: str
    at: Place


@dataclass(frozen=True)
class Sequence:
    """One part after the other; without parts, nothing."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True)
class Choice:
    """One of several, each with its probability."""

    options: "tuple[tuple[float, Node], ...]"


@dataclass(frozen=True)
class Repeat:
    """A part `least` (0 or 1) times or more."""

    part: "Node"
    least: int
    at: Place


@dataclass(frozen=True)
class Tag:
    """What a part means: the slot `key` is `value`, or, where that is None, what was said."""

    part: "Node"
    key: str
    value: str | None


Node: TypeAlias = Say | Use | Sequence | Choice | Repeat | Tag

NOTHING = Sequence(())


class Rule(NamedTuple):
    """A named expansion."""

    body: Node
    public: bool
    at: Place


class Notation(NamedTuple):
    """A grammar's text, read and checked."""

    name: str
    rules: Mapping[str, Rule]


class Token(NamedTuple):
    """A sign, word or name of the text."""

    kind: str
    text: str
    at: Place


_TOKENS = re.compile(
    r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<weight>/[^/*\n][^/\n]*/)
    |(?P<rule><[^<>\s]*>)
    |(?P<tag>\{[^{}]*\})
    |"(?P<quoted>[^"\n]*)"
    |(?P<sign>[;=|*+()\[\]])
    |(?P<word>[^\s;=|*+<>()\[\]{}/"]+)""",
    re.VERBOSE | re.DOTALL,
)
_HEADER = re.compile(r"\ufeff?#JSGF[^;\n]*;")
_WEIGHT = re.compile(r"\s*([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_SLOT = re.compile(r"\s*([^\s={}]+)\s*(?:=\s*([^={}]*?)\s*)?")


def error(source: str, at: Place, message: str) -> AsrlabError:
    """An error with its place."""
    return AsrlabError(f"{source}:{at.line}:{at.column}: {message}")


def parse(text: str, source: str = "grammar") -> Notation:
    """Read a grammar.

    Args:
        text: see the top of this module.
        source: what errors call it, the name of its file for instance.

    Raises:
        AsrlabError: with line, column and remedy, for anything that is not as written above: signs that do not fit,
            rules that are missing, there twice, not used, or never at an end, a repetition of nothing, recursion other
            than at a rule's end, no public rule, no word.
    """
    notation = _Reader(text, source).notation()
    _check(notation.rules, source)
    return notation


def _tokens(text: str, source: str) -> Iterator[Token]:
    header = _HEADER.match(text)
    at, line, begin = header.end() if header else 0, 1, 0  # begin: where the line begins
    while at < len(text):
        place = Place(line, at - begin + 1)
        found = _TOKENS.match(text, at)
        if found is None:
            raise error(source, place, f"{text[at]!r} {_ALONE.get(text[at], 'does not belong here')}")
        kind = str(found.lastgroup)
        if kind != "space":
            yield Token("word" if kind == "quoted" else kind, str(found[kind]), place)
        line += text.count("\n", at, found.end())
        begin = max(begin, text.rfind("\n", at, found.end()) + 1)
        at = found.end()
    yield Token("end", "the end", Place(line, at - begin + 1))


_ALONE = {
    "<": "begins no rule's name; write <name>, without spaces in it",
    ">": "ends no rule's name; write <name>",
    "{": "begins no tag; write {slot} or {slot=value}, and close it with }",
    "}": "ends no tag; write {slot} or {slot=value}",
    '"': 'begins a quotation that does not end on its line; write "word"',
    "/": "begins neither a weight nor a comment; write /2/, // or /* and */",
}


class _Reader:
    """Reads tokens from left to right, with one rule of the notation a method."""

    def __init__(self, text: str, source: str):
        self.source = source
        self.tokens = list(_tokens(text, source))
        self.next = 0
        self.nested = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.next]

    def take(self, *wanted: str) -> Token | None:
        """The next token if it is one of these signs or words."""
        if self.token.kind in ("sign", "word") and self.token.text in wanted:
            self.next += 1
            return self.tokens[self.next - 1]
        return None

    def expect(self, sign: str, remedy: str) -> None:
        if not self.take(sign):
            raise self.error(f"expected {sign!r}, found {self.token.text!r}; {remedy}")

    def error(self, message: str, at: Place | None = None) -> AsrlabError:
        return error(self.source, at or self.token.at, message)

    def notation(self) -> Notation:
        name = ""
        if self.take("grammar"):
            name = self.token.text
            self.next += self.token.kind == "word"
            self.expect(";", "write: grammar name;")
        rules: dict[str, Rule] = {}
        while self.token.kind != "end":
            public, head = bool(self.take("public")), self.token
            if head.kind != "rule":
                raise self.error(f"expected a rule, found {head.text!r}; write <name> = ... ;")
            self.next += 1
            rule = head.text[1:-1]
            if rule in (NULL, FILLER) or not rule:
                raise self.error(f"{head.text} cannot be defined; choose another name", head.at)
            if rule in rules:
                before = rules[rule].at.line
                raise self.error(f"{head.text} is there already in line {before}; join the two with |", head.at)
            self.expect("=", f"write {head.text} = ... ;")
            rules[rule] = Rule(self.choice(), public, head.at)
            self.expect(";", f"end the rule {head.text} with ;")
        if not any(rule.public for rule in rules.values()):
            raise self.error("no public rule; write public before the rule that is a whole sentence", Place(1, 1))
        return Notation(name, rules)

    def choice(self) -> Node:
        options = [self.weighted()]
        while self.take("|"):
            options.append(self.weighted())
        if len(options) == 1:
            return options[0][1]
        total = sum(weight for weight, _ in options)
        return Choice(tuple((weight / total, part) for weight, part in options))

    def weighted(self) -> tuple[float, Node]:
        weight = 1.0
        if self.token.kind == "weight":
            weight = self.weight(self.token.text[1:-1])
            self.next += 1
        parts = []
        while self.token.kind in ("word", "rule") or self.token.text in ("(", "["):
            parts.append(self.item())
        if self.token.kind == "weight":
            raise self.error(f"the weight {self.token.text} must begin an alternative; write a | /2/ b")
        if not parts:
            raise self.error(f"nothing before {self.token.text!r}; write a word, or <NULL> for nothing")
        return weight, parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def weight(self, text: str) -> float:
        value = float(text) if _WEIGHT.fullmatch(text) else 0.0
        if not 1e-30 <= value <= 1e30:
            raise self.error(f"weight {text.strip()!r}; write a number above 0, as /2/ or /0.5/")
        return value

    def item(self) -> Node:
        """An atom with the *, + and tags behind it."""
        node = self.atom()
        for _ in range(MOST_NESTED):
            if sign := self.take("*", "+"):
                node = Repeat(node, int(sign.text == "+"), sign.at)
            elif self.token.kind == "tag":
                slot = _SLOT.fullmatch(self.token.text[1:-1])
                if slot is None:
                    raise self.error(f"tag {self.token.text}; write {{slot}} or {{slot=value}}")
                self.next += 1
                node = Tag(node, slot[1], slot[2])
            else:
                return node
        raise self.error(f"more than {MOST_NESTED} signs behind one another; one + or * says the same")

    def atom(self) -> Node:
        token = self.token
        self.next += 1
        if token.kind == "word":
            if not token.text.strip() or len(token.text.split()) > 1:
                raise self.error(f"{token.text!r} is not one word; quote each word by itself", token.at)
            return Say(token.text, token.at)
        if token.kind == "rule":
            rule = token.text[1:-1]
            return NOTHING if rule == NULL else Use(rule, token.at)
        self.nested += 1
        if self.nested > MOST_NESTED:
            raise self.error(
                f"more than {MOST_NESTED} brackets within one another; name the inner ones as rules", token.at
            )
        inside = self.choice()
        self.nested -= 1
        close = ")" if token.text == "(" else "]"
        if not self.take(close):
            raise self.error(
                f"expected {close!r}, found {self.token.text!r}; close the {token.text!r} of line {token.at.line}, "
                f"column {token.at.column}"
            )
        return inside if close == ")" else Choice(((0.5, inside), (0.5, NOTHING)))


def _check(rules: Mapping[str, Rule], source: str) -> None:
    """What the signs alone do not tell."""
    uses = {name: list(_uses(rule.body)) for name, rule in rules.items()}
    for use in (use for used in uses.values() for use in used):
        if use.rule not in rules and use.rule != FILLER:
            near = ", ".join(f"<{name}>" for name in rules)
            raise error(source, use.at, f"<{use.rule}> is not defined; write a rule for it, or use one of {near}")
    reached, waiting = set[str](), [name for name, rule in rules.items() if rule.public]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [use.rule for use in uses[name] if use.rule != FILLER]
    for name, rule in rules.items():
        if name not in reached:
            raise error(source, rule.at, f"<{name}> is used by no public rule; use it, or remove it")
    ending = _ending(rules, said=True)
    for name, rule in rules.items():
        if name not in ending:
            raise error(source, rule.at, f"<{name}> never ends, so it accepts nothing; add an alternative without it")
    empty = _ending(rules, said=False)
    for name, rule in rules.items():
        for loop in (node for node in nodes(rule.body) if isinstance(node, Repeat)):
            if _ends(loop.part, empty, said=False):
                sign = "+" if loop.least else "*"
                raise error(source, loop.at, f"{sign} repeats what may be nothing; take away what lets it be empty")
        _check_left(name, rules, empty, source)
    if not any(isinstance(node, Say) for rule in rules.values() for node in nodes(rule.body)):
        raise error(source, Place(1, 1), "no word in the whole grammar; write some")


def nodes(node: Node) -> Iterator[Node]:
    """A node and all below it, from left to right."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Sequence):
            waiting += reversed(node.parts)
        elif isinstance(node, Choice):
            waiting += [part for _, part in reversed(node.options)]
        elif isinstance(node, (Repeat, Tag)):
            waiting.append(node.part)


def _uses(node: Node) -> Iterator[Use]:
    return (part for part in nodes(node) if isinstance(part, Use))


def _ending(rules: Mapping[str, Rule], said: bool) -> set[str]:
    """The rules that can be at their end, `said` with words or with none at all."""
    known: set[str] = set()
    while more := {name for name, rule in rules.items() if name not in known and _ends(rule.body, known, said)}:
        known |= more
    return known


def _ends(node: Node, known: set[str], said: bool) -> bool:
    """Can this part be at its end, `said` with words or with none at all, where the `known` rules can?"""
    if isinstance(node, Say):
        return said
    if isinstance(node, Use):
        return said if node.rule == FILLER else node.rule in known
    if isinstance(node, Sequence):
        return all(_ends(part, known, said) for part in node.parts)
    if isinstance(node, Choice):
        return any(_ends(part, known, said) for _, part in node.options)
    return (isinstance(node, Repeat) and not node.least) or _ends(node.part, known, said)


def _check_left(start: str, rules: Mapping[str, Rule], empty: set[str], source: str) -> None:
    """No rule may come back to itself before it has said a word."""
    seen, waiting = set[str](), list(_first(rules[start].body, empty))
    while waiting:
        use = waiting.pop()
        if use.rule == start:
            message = f"<{start}> begins with itself, a loop on nothing; write the repetition with * or +"
            raise error(source, use.at, message)
        if use.rule not in seen and use.rule != FILLER:
            seen.add(use.rule)
            waiting += _first(rules[use.rule].body, empty)


def _first(node: Node, empty: set[str]) -> Iterator[Use]:
    """The rules with which a part may begin."""
    if isinstance(node, Use):
        yield node
    elif isinstance(node, Sequence):
        for part in node.parts:
            yield from _first(part, empty)
            if not _ends(part, empty, said=False):
                return
    elif isinstance(node, Choice):
        for _, part in node.options:
            yield from _first(part, empty)
    elif isinstance(node, (Repeat, Tag)):
        yield from _first(node.part, empty)
