// A grammar to edit. Parser, checks and arithmetic are those of asrlab/language/jsgf.py and network.py, errors included;
// tests/widgets/test_grammar_editor.py holds the two equal.

const MOST_NESTED = 50, MOST_DEEP = 200, MOST_STATES = 100000, HALF = Math.log(0.5);
const HEADER = /^\ufeff?#JSGF[^;\n]*;/;
const TOKENS = new RegExp([
  String.raw`(?<space>\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)`, String.raw`(?<weight>\/[^/*\n][^/\n]*\/)`,
  String.raw`(?<rule><[^<>\s]*>)`, String.raw`(?<tag>\{[^{}]*\})`, String.raw`"(?<quoted>[^"\n]*)"`,
  String.raw`(?<sign>[;=|*+()[\]])`, String.raw`(?<word>[^\s;=|*+<>()[\]{}/"]+)`,
].join("|"), "y");
const SLOT = /^\s*([^\s={}]+)\s*(?:=\s*([^={}]*?)\s*)?$/;
const WEIGHT = /^\s*([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$/;
const ALONE = {
  "<": "begins no rule's name; write <name>, without spaces in it",
  ">": "ends no rule's name; write <name>",
  "{": "begins no tag; write {slot} or {slot=value}, and close it with }",
  "}": "ends no tag; write {slot} or {slot=value}",
  '"': 'begins a quotation that does not end on its line; write "word"',
  "/": "begins neither a weight nor a comment; write /2/, // or /* and */",
};

// A mistake in the grammar, at a place counted from 1.
class Mistake extends Error {
  constructor(at, message) {
    super(message);
    this.at = at;
  }
}

// A text in quotation marks as Python shows it.
function quoted(text) {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inside = text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/\t/g, "\\t");
  return mark + (mark === "'" ? inside.replace(/'/g, "\\'") : inside) + mark;
}

function tokens(text) {
  const found = [];
  let at = HEADER.exec(text)?.[0].length ?? 0, line = 1, begin = 0;
  const place = () => ({ line, column: [...text.slice(begin, at)].length + 1 });
  while (at < text.length) {
    TOKENS.lastIndex = at;
    const match = TOKENS.exec(text);
    if (match === null) {
      const sign = String.fromCodePoint(text.codePointAt(at));
      throw new Mistake(place(), `${quoted(sign)} ${ALONE[sign] ?? "does not belong here"}`);
    }
    const [kind, said] = Object.entries(match.groups).find(([, value]) => value !== undefined);
    if (kind !== "space") found.push({ kind: kind === "quoted" ? "word" : kind, text: said, at: place() });
    const end = at + match[0].length;
    line += match[0].split("\n").length - 1;
    const last = text.lastIndexOf("\n", end - 1);
    if (last >= at) begin = last + 1;
    at = end;
  }
  found.push({ kind: "end", text: "the end", at: place() });
  return found;
}

// The rules of a grammar: a Map from name to {body, isPublic, at}. Nodes: {say}, {use}, {parts}, {options}, {repeat}, {tag}.
function read(text) {
  const list = tokens(text), rules = new Map();
  let next = 0, nested = 0;
  const now = () => list[next];
  const fail = (message, at) => new Mistake(at ?? now().at, message);
  const take = (...wanted) => ((now().kind === "sign" || now().kind === "word") && wanted.includes(now().text)
    ? list[next++] : null);
  const expect = (sign, remedy) => {
    if (!take(sign)) throw fail(`expected ${quoted(sign)}, found ${quoted(now().text)}; ${remedy}`);
  };
  const nothing = () => ({ parts: [] });

  function choices() {
    const options = [weighted()];
    while (take("|")) options.push(weighted());
    if (options.length === 1) return options[0][1];
    const total = options.reduce((sum, [weight]) => sum + weight, 0);
    return { options: options.map(([weight, part]) => [weight / total, part]) };
  }

  function weighted() {
    let weight = 1;
    if (now().kind === "weight") {
      weight = number(now().text.slice(1, -1));
      next += 1;
    }
    const parts = [];
    while (now().kind === "word" || now().kind === "rule" || now().text === "(" || now().text === "[") parts.push(item());
    if (now().kind === "weight") throw fail(`the weight ${now().text} must begin an alternative; write a | /2/ b`);
    if (parts.length === 0) throw fail(`nothing before ${quoted(now().text)}; write a word, or <NULL> for nothing`);
    return [weight, parts.length === 1 ? parts[0] : { parts }];
  }

  function number(written) {
    const value = WEIGHT.test(written) ? Number(written) : 0;
    if (!(value >= 1e-30 && value <= 1e30)) {
      throw fail(`weight ${quoted(written.trim())}; write a number above 0, as /2/ or /0.5/`);
    }
    return value;
  }

  function item() {
    let node = atom();
    for (let k = 0; k < MOST_NESTED; k += 1) {
      const sign = take("*", "+");
      if (sign) node = { repeat: node, least: sign.text === "+" ? 1 : 0, at: sign.at };
      else if (now().kind === "tag") {
        const slot = SLOT.exec(now().text.slice(1, -1));
        if (slot === null) throw fail(`tag ${now().text}; write {slot} or {slot=value}`);
        next += 1;
        node = { tag: node, key: slot[1], value: slot[2] ?? null };
      } else return node;
    }
    throw fail(`more than ${MOST_NESTED} signs behind one another; one + or * says the same`);
  }

  function atom() {
    const token = list[next++];
    if (token.kind === "word") {
      if (!/^\s*\S+\s*$/.test(token.text)) throw fail(`${quoted(token.text)} is not one word; quote each word by itself`, token.at);
      return { say: token.text, at: token.at };
    }
    if (token.kind === "rule") {
      const rule = token.text.slice(1, -1);
      return rule === "NULL" ? nothing() : { use: rule, at: token.at };
    }
    nested += 1;
    if (nested > MOST_NESTED) {
      throw fail(`more than ${MOST_NESTED} brackets within one another; name the inner ones as rules`, token.at);
    }
    const inside = choices(), close = token.text === "(" ? ")" : "]";
    nested -= 1;
    if (!take(close)) {
      throw fail(`expected ${quoted(close)}, found ${quoted(now().text)}; close the ${quoted(token.text)} of line ` +
        `${token.at.line}, column ${token.at.column}`);
    }
    return close === ")" ? inside : { options: [[0.5, inside], [0.5, nothing()]] };
  }

  if (take("grammar")) {
    if (now().kind === "word") next += 1;
    expect(";", "write: grammar name;");
  }
  while (now().kind !== "end") {
    const isPublic = take("public") !== null, head = now();
    if (head.kind !== "rule") throw fail(`expected a rule, found ${quoted(head.text)}; write <name> = ... ;`);
    next += 1;
    const name = head.text.slice(1, -1);
    if (name === "NULL" || name === "FILLER" || name === "") throw fail(`${head.text} cannot be defined; choose another name`, head.at);
    if (rules.has(name)) {
      throw fail(`${head.text} is there already in line ${rules.get(name).at.line}; join the two with |`, head.at);
    }
    expect("=", `write ${head.text} = ... ;`);
    rules.set(name, { body: choices(), isPublic, at: head.at });
    expect(";", `end the rule ${head.text} with ;`);
  }
  if (![...rules.values()].some((rule) => rule.isPublic)) {
    throw fail("no public rule; write public before the rule that is a whole sentence", { line: 1, column: 1 });
  }
  return rules;
}

const below = (node) => (node.parts ?? node.options?.map(([, part]) => part) ?? [node.repeat ?? node.tag].filter(Boolean));

// A node and all below it, from left to right.
function all(node) {
  return [node, ...below(node).flatMap(all)];
}

// Can a part be at its end, `said` with words or with none, where the known rules can?
function ends(node, known, said) {
  if (node.say !== undefined) return said;
  if (node.use !== undefined) return node.use === "FILLER" ? said : known.has(node.use);
  if (node.parts) return node.parts.every((part) => ends(part, known, said));
  if (node.options) return node.options.some(([, part]) => ends(part, known, said));
  return (node.repeat !== undefined && !node.least) || ends(node.repeat ?? node.tag, known, said);
}

function ending(rules, said) {
  const known = new Set();
  for (;;) {
    const more = [...rules].filter(([name, rule]) => !known.has(name) && ends(rule.body, known, said));
    if (more.length === 0) return known;
    for (const [name] of more) known.add(name);
  }
}

// The rules with which a part may begin.
function first(node, empty) {
  if (node.use !== undefined) return [node];
  if (!node.parts) return below(node).flatMap((part) => first(part, empty));
  const found = [];
  for (const part of node.parts) {
    found.push(...first(part, empty));
    if (!ends(part, empty, false)) break;
  }
  return found;
}

function check(rules) {
  const uses = new Map([...rules].map(([name, rule]) => [name, all(rule.body).filter((node) => node.use !== undefined)]));
  for (const use of [...uses.values()].flat()) {
    if (!rules.has(use.use) && use.use !== "FILLER") {
      const near = [...rules.keys()].map((name) => `<${name}>`).join(", ");
      throw new Mistake(use.at, `<${use.use}> is not defined; write a rule for it, or use one of ${near}`);
    }
  }
  const reached = new Set(), waiting = [...rules].filter(([, rule]) => rule.isPublic).map(([name]) => name);
  while (waiting.length) {
    const name = waiting.pop();
    if (reached.has(name)) continue;
    reached.add(name);
    waiting.push(...uses.get(name).map((use) => use.use).filter((used) => used !== "FILLER"));
  }
  for (const [name, rule] of rules) {
    if (!reached.has(name)) throw new Mistake(rule.at, `<${name}> is used by no public rule; use it, or remove it`);
  }
  const finite = ending(rules, true), empty = ending(rules, false);
  for (const [name, rule] of rules) {
    if (!finite.has(name)) {
      throw new Mistake(rule.at, `<${name}> never ends, so it accepts nothing; add an alternative without it`);
    }
  }
  for (const [name, rule] of rules) {
    for (const loop of all(rule.body).filter((node) => node.repeat !== undefined)) {
      if (ends(loop.repeat, empty, false)) {
        throw new Mistake(loop.at, `${loop.least ? "+" : "*"} repeats what may be nothing; take away what lets it be empty`);
      }
    }
    checkLeft(name, rules, empty);
  }
  if (![...rules.values()].some((rule) => all(rule.body).some((node) => node.say !== undefined))) {
    throw new Mistake({ line: 1, column: 1 }, "no word in the whole grammar; write some");
  }
}

// No rule may come back to itself before it has said a word.
function checkLeft(start, rules, empty) {
  const seen = new Set(), waiting = first(rules.get(start).body, empty);
  while (waiting.length) {
    const use = waiting.pop();
    if (use.use === start) {
      throw new Mistake(use.at, `<${start}> begins with itself, a loop on nothing; write the repetition with * or +`);
    }
    if (seen.has(use.use) || use.use === "FILLER") continue;
    seen.add(use.use);
    waiting.push(...first(rules.get(use.use).body, empty));
  }
}

// The rules joined: words[state] lists {word, nats, next}, empty[state] {nats, next, mark}; a sentence goes from 0 to 1.
function join(rules) {
  const words = [[], []], empty = [[], []], places = new Map(), open = new Map();
  const fresh = () => { words.push([]); empty.push([]); return words.length - 1; };

  function lay(node, enter, leave) {
    if (node.say !== undefined) {
      if (!places.has(node.say)) places.set(node.say, places.size + 1);
      words[enter].push({ word: node.say, nats: 0, next: leave });
    } else if (node.use !== undefined) use(node, enter, leave);
    else if (node.options) {
      for (const [probability, part] of node.options) {
        const begin = fresh();
        empty[enter].push({ nats: Math.log(probability), next: begin });
        lay(part, begin, leave);
      }
    } else if (node.repeat) {
      const again = fresh(), begin = fresh();
      empty[again].push({ nats: HALF, next: begin }, { nats: HALF, next: leave });
      empty[enter].push({ nats: 0, next: node.least ? begin : again });
      lay(node.repeat, begin, again);
    } else if (node.tag) {
      const begin = fresh(), end = fresh();
      empty[enter].push({ nats: 0, next: begin, mark: node.value === null ? { slot: node.key, begins: true } : null });
      empty[end].push({ nats: 0, next: leave, mark: { slot: node.key, begins: false, value: node.value } });
      lay(node.tag, begin, end);
    } else {
      const states = [enter, ...node.parts.slice(1).map(fresh), leave];
      if (node.parts.length === 0) empty[enter].push({ nats: 0, next: leave });
      node.parts.forEach((part, k) => lay(part, states[k], states[k + 1]));
    }
  }

  function use(node, enter, leave) {
    const name = node.use;
    if (name === "FILLER") {
      const again = fresh();
      words[enter].push({ word: null, nats: 0, next: again });
      words[again].push({ word: null, nats: HALF, next: again });
      empty[again].push({ nats: HALF, next: leave });
      return;
    }
    if (open.has(name)) {
      const [begin, end] = open.get(name);
      if (end !== leave) {
        throw new Mistake(node.at, `<${name}> uses itself before its end, which no automaton can count; use it last, or ` +
          "write the repetition with * or +");
      }
      empty[enter].push({ nats: 0, next: begin });
      return;
    }
    if (open.size === MOST_DEEP) {
      throw new Mistake(node.at, `rules more than ${MOST_DEEP} deep in one another; write some of them out`);
    }
    if (words.length > MOST_STATES) {
      throw new Mistake(node.at, `more than ${MOST_STATES} states; use large rules less often`);
    }
    const begin = fresh();
    empty[enter].push({ nats: 0, next: begin });
    open.set(name, [begin, leave]);
    lay(rules.get(name).body, begin, leave);
    open.delete(name);
  }

  const starts = [...rules].filter(([, rule]) => rule.isPublic).map(([name, rule]) => ({ use: name, at: rule.at }));
  lay(starts.length > 1 ? { options: starts.map((one) => [1 / starts.length, one]) } : starts[0], 0, 1);
  return { words, empty, places };
}

// A grammar's text -> {network}, or {line, column, message} of its first mistake.
export function compile(text) {
  try {
    const rules = read(text);
    check(rules);
    return { network: join(rules) };
  } catch (mistake) {
    if (!(mistake instanceof Mistake)) throw mistake;
    return { ...mistake.at, message: mistake.message };
  }
}

// The mistake that `compile` finds, or null.
export function mistake(text) {
  const { line, column, message } = compile(text);
  return message === undefined ? null : { line, column, message };
}

// What empty arcs lead to. paths: Map state -> {sum, best, trace}; `sum` is of all ways, `best` and `trace` of one.
function onward(network, paths) {
  const order = [], seen = new Set(), visit = (state) => {
    if (seen.has(state)) return;
    seen.add(state);
    for (const arc of network.empty[state]) visit(arc.next);
    order.push(state);
  };
  for (const state of paths.keys()) visit(state);
  for (const state of order.reverse()) {
    for (const arc of network.empty[state]) {
      const from = paths.get(state), trace = arc.mark ? [from.trace, arc.mark] : from.trace;
      reachState(paths, arc.next, from, arc.nats, trace);
    }
  }
  return paths;
}

function reachState(paths, state, from, nats, trace) {
  const there = paths.get(state) ?? { sum: -Infinity, best: -Infinity, trace: null };
  const better = from.best + nats > there.best;
  paths.set(state, {
    sum: logAdd([there.sum, from.sum + nats]),
    best: better ? from.best + nats : there.best,
    trace: better ? trace : there.trace,
  });
}

function slotsOf(trace) {
  const steps = [];
  for (let at = trace; at; at = at[0]) steps.push(at[1]);
  const said = [], begun = new Map(), slots = {};
  for (const step of steps.reverse()) {
    if (typeof step === "string") said.push(step);
    else if (step.begins) begun.set(step.slot, [...(begun.get(step.slot) ?? []), said.length]);
    else if (step.value === null) slots[step.slot] = said.slice(begun.get(step.slot).pop()).join(" ");
    else slots[step.slot] = step.value;
  }
  return slots;
}

// The words that may come next, in the order of the grammar, and whether the sentence may end.
function wanted(network, paths) {
  const found = new Set([...paths.keys()].flatMap((state) => network.words[state].map((arc) => arc.word)));
  const number = (word) => (word === null ? 0 : network.places.get(word));
  return { expected: [...found].sort((a, b) => number(a) - number(b)).map((word) => word ?? "..."), mayEnd: paths.has(1) };
}

// A sentence in a network: {logProb, meaning} if it is accepted, else {said, word, expected, mayEnd}.
export function judge(network, sentence) {
  const words = sentence.split(/\s+/).filter((word) => word !== "");
  let paths = onward(network, new Map([[0, { sum: 0, best: 0, trace: null }]]));
  for (let n = 0; n < words.length; n += 1) {
    const known = network.places.has(words[n]), after = new Map();
    for (const [state, from] of paths) {
      for (const arc of network.words[state]) {
        if (arc.word !== (known ? words[n] : null)) continue;
        reachState(after, arc.next, from, arc.nats, [from.trace, known ? words[n] : "..."]);
      }
    }
    if (after.size === 0) return { said: words.slice(0, n), word: words[n], ...wanted(network, paths) };
    paths = onward(network, after);
  }
  const end = paths.get(1);
  if (!end) return { said: words, word: null, ...wanted(network, paths) };
  return { logProb: end.sum, meaning: slotsOf(end.trace) };
}

// `judge` of each sentence under one grammar.
export function judgeAll(text, sentences) {
  const { network } = compile(text);
  return sentences.map((sentence) => judge(network, sentence));
}

// A sentence drawn by its probability; `chance` gives numbers from 0 to 1.
export function draw(network, chance = Math.random) {
  const said = [];
  let state = 0;
  for (let k = 0; state !== 1 && k < 10000; k += 1) {
    const arcs = [...network.words[state], ...network.empty[state]];
    let left = chance();
    const arc = arcs.find((one) => (left -= Math.exp(one.nats)) < 0) ?? arcs.at(-1);
    if (arc.word !== undefined && (arc.word !== null || said.at(-1) !== "...")) said.push(arc.word ?? "...");
    state = arc.next;
  }
  return said.join(" ");
}

function render({ model, el }) {
  const data = model.get("data");
  const card = frame(el, {
    title: "A grammar to edit",
    help: "Change the grammar or the sentence. The line below says whether the sentence belongs to it, and if not, where it leaves.",
  });
  const editor = h("textarea", { class: "ge-text", rows: 9, spellcheck: "false", "aria-label": "Grammar", maxlength: 4000 });
  editor.value = data.grammar;
  const problem = h("p", { class: "ge-problem", role: "alert" });
  const sentence = field({ label: "Sentence", value: data.sentences[0], maxlength: 200 }, update);
  const examples = h("div", { class: "ge-examples", role: "group", "aria-label": "Sentences to try" },
    data.sentences.map((text) => button(text, () => { sentence.value = text; update(); }, { kind: "quiet" })));
  const another = button("Draw one at random", () => {
    const { network } = compile(editor.value);
    if (network) { sentence.value = draw(network); update(); }
  }, { kind: "main" });
  const verdict = h("p", { class: "ge-verdict", role: "status" });
  const walked = h("p", { class: "ge-walked" });
  const meaning = h("table", { class: "ge-meaning" });
  card.append(editor, problem, row(sentence, another), examples, verdict, walked, meaning);
  editor.addEventListener("input", update);

  function update() {
    const { network, line, column, message } = compile(editor.value);
    problem.hidden = network !== undefined;
    problem.textContent = network ? "" : `Line ${line}, column ${column}: ${message}`;
    editor.setAttribute("aria-invalid", String(!network));
    another.disabled = !network;
    for (const part of [verdict, walked, meaning]) part.hidden = !network;
    if (network) show(judge(network, sentence.value));
  }

  function show(found) {
    const accepted = found.meaning !== undefined;
    verdict.className = `ge-verdict ${accepted ? "ge-good" : "ge-bad"}`;
    meaning.hidden = !accepted || Object.keys(found.meaning).length === 0;
    if (accepted) {
      verdict.textContent = `✓ accepted, with probability ${format.number(Math.exp(found.logProb), 3)}`;
      walked.textContent = "";
      meaning.replaceChildren(h("tbody", {}, Object.entries(found.meaning).map(([slot, value]) =>
        h("tr", {}, h("th", { scope: "row" }, slot), h("td", {}, value || "(nothing)")))));
      return;
    }
    const after = found.said.length ? `after “${found.said.join(" ")}”` : "at the beginning";
    const list = [...found.expected.map((word) => `“${word}”`), ...(found.mayEnd ? ["the end"] : [])].join(", ");
    verdict.textContent = "✗ rejected";
    walked.textContent = `${after} comes ${found.word === null ? "the end" : `“${found.word}”`}; the grammar expects ${list}.`;
  }

  update();
}

export default { render };
