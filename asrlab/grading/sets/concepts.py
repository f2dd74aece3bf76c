"""Section 2: a lexicon as a trie, hotwords as an automaton."""

import collections
import itertools

import numpy as np

from asrlab.grading.exercise import Exercise, ExerciseSet, hint_of

# --- a lexicon as a trie --------------------------------------------------------------------------


def lexica(rng):
    """Words with their pronunciations: none, one within another, two that sound alike, then drawn ones."""
    yield ([],)
    yield ([("see", ["S", "IY"])],)
    yield ([("see", ["S", "IY"]), ("seat", ["S", "IY", "T"]), ("sea", ["S", "IY"])],)
    yield ([("seat", ["S", "IY", "T"]), ("eat", ["IY", "T"]), ("see", ["S", "IY"])],)
    for count in (3, 5, 8, 12):
        spellings = [rng.choice(["AA", "B", "K"], n).tolist() for n in rng.integers(1, 5, count)]
        spellings.append(spellings[0])  # one that sounds like the first
        yield ([(f"word{k}", spelling) for k, spelling in enumerate(spellings)],)


def trie_by_beginnings(lexicon):
    """The oracle: every beginning of a pronunciation is a node."""
    number = {(): 0}
    for _, spelling in lexicon:
        for n in range(1, len(spelling) + 1):
            number.setdefault(tuple(spelling[:n]), len(number))
    arcs = [{end[-1]: k for end, k in number.items() if end and end[:-1] == start} for start in number]
    return arcs, [[word for word, spelling in lexicon if tuple(spelling) == start] for start in number]


def trie_by_insertion(lexicon):
    arcs, words = [{}], [[]]
    for word, spelling in lexicon:
        node = 0
        for token in spelling:
            if token not in arcs[node]:
                arcs[node][token] = len(arcs)
                arcs.append({})
                words.append([])
            node = arcs[node][token]
        words[node].append(word)
    return arcs, words


def trie_by_recursion(lexicon):
    nodes = [({}, [])]

    def insert(node, word, rest):
        if not rest:
            nodes[node][1].append(word)
            return
        below = nodes[node][0].setdefault(rest[0], len(nodes))
        if below == len(nodes):
            nodes.append(({}, []))
        insert(below, word, rest[1:])

    for word, spelling in lexicon:
        insert(0, word, spelling)
    return [node[0] for node in nodes], [node[1] for node in nodes]


def never_shares(lexicon):
    """Every word gets a branch of its own, even where another begins alike: follow an arc that is already there."""
    arcs, words = [{}], [[]]
    for word, spelling in lexicon:
        node = 0
        for token in spelling:
            arcs[node][token] = node = len(arcs)
            arcs.append({})
            words.append([])
        words[node].append(word)
    return arcs, words


def keeps_one_word(lexicon):
    """Two words that sound alike end at the same node, and only one of them is kept there: keep a list."""
    arcs, words = [{}], [[]]
    for word, spelling in lexicon:
        node = 0
        for token in spelling:
            if token not in arcs[node]:
                arcs[node][token] = len(arcs)
                arcs.append({})
                words.append([])
            node = arcs[node][token]
        words[node] = [word]
    return arcs, words


def ends_at_leaves_only(lexicon):
    """A word that is the beginning of another is lost: a word may end at a node from which arcs go on."""
    arcs, words = [{}], [[]]
    for word, spelling in lexicon:
        node = 0
        for token in spelling:
            if token not in arcs[node]:
                arcs[node][token] = len(arcs)
                arcs.append({})
                words.append([])
            node = arcs[node][token]
        words[node].append(word)
    return arcs, [[] if below else found for below, found in zip(arcs, words, strict=True)]


def ends_everywhere(lexicon):
    """A word is noted at every node on its way: it ends only at the last."""
    arcs, words = [{}], [[]]
    for word, spelling in lexicon:
        node = 0
        for token in spelling:
            if token not in arcs[node]:
                arcs[node][token] = len(arcs)
                arcs.append({})
                words.append([])
            node = arcs[node][token]
            words[node].append(word)
    return arcs, words


def shares_every_token(lexicon):
    """There is one node for each token, whatever came before it, so words are accepted that nobody listed: two words
    share a node only if all tokens up to it are the same."""
    number, arcs, words = {}, [{}], [[]]
    for word, spelling in lexicon:
        node = 0
        for token in spelling:
            if token not in number:
                number[token] = len(arcs)
                arcs.append({})
                words.append([])
            arcs[node][token] = number[token]
            node = number[token]
        words[node].append(word)
    return arcs, words


TRIE = Exercise(
    name="lexicon.trie",
    title="A lexicon as a tree",
    function="build_trie",
    points=10,
    minutes=25,
    cases=lexica,
    oracle=trie_by_beginnings,
    hints=(
        "Draw the tree for see, seat and sea. How many nodes has it, and which words end where?",
        "For each word begin at the root. Take one token after the other: follow its arc if there is one, and make"
        " a node if there is none.",
        "A new node has the number len(arcs), taken before it is appended. After the last token append the word to the"
        " list of the node that you stand on.",
    ),
    right=(trie_by_beginnings, trie_by_insertion, trie_by_recursion),
    mistakes=(never_shares, keeps_one_word, ends_at_leaves_only, ends_everywhere, shares_every_token),
    forbidden=("asrlab.language", "asrlab.decode"),
)

# --- hotwords as an automaton ---------------------------------------------------------------------


def hot_phrases(rng):
    """Phrases of whole numbers: none, some that overlap or lie in one another, then drawn ones."""
    yield [], 2, 1.5
    yield [[0, 1]], 2, 2.0
    yield [[0, 1], [1, 1, 0]], 2, 1.0
    yield [[0, 1, 0]], 2, 0.5
    yield [[0, 1, 2], [1]], 3, 1.0
    for count, longest in ((3, 3), (4, 3), (4, 4)):
        drawn = {tuple(rng.integers(0, 3, rng.integers(1, longest + 1)).tolist()) for _ in range(count)}
        yield sorted(map(list, drawn)), 3, float(rng.uniform(0.5, 3))


def rewards_of(phrases, text, bonus):
    """What each word of a text earns, and what would be due if the text ended after it, from the definition alone."""

    def begun(said):
        ends = [len(said) - k for k in range(len(said)) if any(
            len(p) > len(said) - k and p[: len(said) - k] == said[k:] for p in phrases)]  # fmt: skip
        return max(ends, default=0)

    earned, due = [], []
    for n in range(1, len(text) + 1):
        said = text[max(0, n - 5) : n]  # no phrase is longer
        done = sum(len(p) for p in phrases if said[len(said) - len(p) :] == p and len(p) <= len(said))
        earned.append(bonus * (begun(said) - begun(said[:-1] if n <= 5 else text[n - 6 : n - 1]) + done))
        due.append(-bonus * begun(said))
    return np.array([earned, due])


def run(automaton, text):
    """What an automaton pays along a text."""
    after, reward, final = (np.asarray(table) for table in automaton)
    state, earned, due = 0, [], [float(final[0])]
    for word in text:
        earned.append(float(reward[state, word]))
        state = int(after[state, word])
        due.append(float(final[state]))
    return np.array([[0.0, *earned], due])


def judge_automata(cases, answers):
    """Any automaton is right that pays what is due along a long text, whatever its states are."""
    for number, ((phrases, words, bonus), answer) in enumerate(zip(cases, answers, strict=True)):
        wrong = _fault_of_automaton(phrases, words, bonus, answer)
        if wrong:
            paid = [run(one, _text(case[1])) for case, one in zip(cases, answers, strict=True)]
            for mistake in HOTWORDS.mistakes:
                others = [run(mistake(*case), _text(case[1])) for case in cases]
                if all(np.allclose(mine, other) for mine, other in zip(paid, others, strict=True)):
                    return number, hint_of(mistake)
            return number, wrong
    return None


def _text(words):
    return np.random.default_rng(words).integers(0, words, 150).tolist()


def _fault_of_automaton(phrases, words, bonus, answer):
    after, reward, final = (np.asarray(table) for table in answer)
    if after.shape != reward.shape or after.shape != (len(final), words) or final.ndim != 1:
        return "Three tables are asked for: after and reward, of the shape (states, words), and final, (states,)."
    text = _text(words)
    paid = run(answer, text)
    wrong = np.abs(paid - np.insert(rewards_of(phrases, text, bonus), 0, 0, axis=1)) > 1e-4
    if wrong.any():
        n = int(np.argwhere(wrong.any(axis=0))[0][0])
        return f"The words {text[max(0, n - 4) : n]}, said one after the other, do not earn what they should."
    return None


def automaton_of_beginnings(phrases, words, bonus):
    states = sorted({tuple(p[:n]) for p in phrases for n in range(len(p) + 1)} | {()}, key=len)

    def longest(text):
        return next(text[k:] for k in range(len(text) + 1) if text[k:] in states)

    def begun(text):
        ends = [text[k:] for k in range(len(text))]
        return max((len(e) for e in ends if any(len(p) > len(e) and tuple(p[: len(e)]) == e for p in phrases)),
                   default=0)  # fmt: skip

    after, reward = np.zeros((len(states), words), dtype=int), np.zeros((len(states), words))
    for (s, state), word in itertools.product(enumerate(states), range(words)):
        text = (*state, word)
        after[s, word] = states.index(longest(text))
        ended = sum(len(p) for p in phrases if text[-len(p) :] == tuple(p))
        reward[s, word] = bonus * (begun(text) - begun(state) + ended)
    return after, reward, [-bonus * begun(state) for state in states]


def automaton_with_failure_arcs(phrases, words, bonus):
    arcs, done, depth = [{}], [0], [0]
    for phrase in phrases:
        node = 0
        for word in phrase:
            if word not in arcs[node]:
                arcs[node][word] = len(arcs)
                arcs.append({})
                done.append(0)
                depth.append(depth[node] + 1)
            node = arcs[node][word]
        done[node] += len(phrase)
    fail, full = [0] * len(arcs), [[0] * words for _ in arcs]
    begun = [len_ if arcs[k] else 0 for k, len_ in enumerate(depth)]
    waiting = collections.deque([0])
    while waiting:
        node = waiting.popleft()
        if node:
            done[node] += done[fail[node]]
            begun[node] = max(begun[node], begun[fail[node]])
        for word in range(words):
            if word in arcs[node]:
                child = arcs[node][word]
                fail[child] = full[fail[node]][word] if node else 0
                full[node][word] = child
                waiting.append(child)
            else:
                full[node][word] = full[fail[node]][word] if node else 0
    reward = [[bonus * (begun[t] - begun[s] + done[t]) for t in row] for s, row in enumerate(full)]
    return full, reward, [-bonus * one for one in begun]


def automaton_of_histories(phrases, words, bonus):
    longest = max(map(len, phrases), default=1)
    states = [h for n in range(longest) for h in itertools.product(range(words), repeat=n)]
    number = {h: k for k, h in enumerate(states)}
    beginnings = {tuple(p[:n]) for p in phrases for n in range(1, len(p))}
    begun = [max([n for n in range(len(h) + 1) if h[len(h) - n :] in beginnings], default=0) for h in states]
    whole = set(map(tuple, phrases))
    after = [[number[((*h, w)[-(longest - 1) :]) if longest > 1 else ()] for w in range(words)] for h in states]
    reward = [
        [bonus * (begun[after[s][w]] - begun[s] + sum(n for n in range(1, len(h) + 2) if (*h, w)[-n:] in whole))
         for w in range(words)] for s, h in enumerate(states)]  # fmt: skip
    return np.array(after), np.array(reward), -bonus * np.array(begun)


def starts_again_at_the_root(phrases, words, bonus):
    """A word that does not go on leads to the start, and a phrase that had begun within the last words is lost: go to
    the longest end of what was said that begins a phrase."""
    states = sorted({tuple(p[:n]) for p in phrases for n in range(len(p) + 1)} | {()}, key=len)
    begun = [len(s) if any(len(p) > len(s) and tuple(p[: len(s)]) == s for p in phrases) else 0 for s in states]
    after, reward = np.zeros((len(states), words), dtype=int), np.zeros((len(states), words))
    for (s, state), word in itertools.product(enumerate(states), range(words)):
        text = (*state, word)
        after[s, word] = states.index(text) if text in states else states.index((word,)) if (word,) in states else 0
        ended = sum(len(p) for p in phrases if text[-len(p) :] == tuple(p))
        reward[s, word] = bonus * (begun[after[s, word]] - begun[s] + ended)
    return after, reward, [-bonus * one for one in begun]


def keeps_the_advance(phrases, words, bonus):
    """What was paid in advance is never paid back, so the beginning of a phrase earns something wherever it stands:
    take it back when the phrase does not go on."""
    states = sorted({tuple(p[:n]) for p in phrases for n in range(len(p) + 1)} | {()}, key=len)
    after, reward = np.zeros((len(states), words), dtype=int), np.zeros((len(states), words))
    for (s, state), word in itertools.product(enumerate(states), range(words)):
        text = (*state, word)
        end = next(text[k:] for k in range(len(text) + 1) if text[k:] in states)
        after[s, word] = states.index(end)
        reward[s, word] = bonus * (len(end) > 0)
    return after, reward, np.zeros(len(states))


def forgets_the_end(phrases, words, bonus):
    """A text that ends within a phrase keeps the advance: `final` must take it back."""
    states = sorted({tuple(p[:n]) for p in phrases for n in range(len(p) + 1)} | {()}, key=len)
    begun = [max((len(s) - k for k in range(len(s)) if any(len(p) > len(s) - k and tuple(p[: len(s) - k]) == s[k:]
                  for p in phrases)), default=0) for s in states]  # fmt: skip
    after, reward = np.zeros((len(states), words), dtype=int), np.zeros((len(states), words))
    for (s, state), word in itertools.product(enumerate(states), range(words)):
        text = (*state, word)
        after[s, word] = next(states.index(text[k:]) for k in range(len(text) + 1) if text[k:] in states)
        ended = sum(len(p) for p in phrases if text[-len(p) :] == tuple(p))
        reward[s, word] = bonus * (begun[after[s, word]] - begun[s] + ended)
    return after, reward, np.zeros(len(states))


def pays_at_the_end_only(phrases, words, bonus):
    """The whole bonus comes with the last word of a phrase. By then its rare beginning has long left the beam: pay for
    each word as soon as it is said."""
    states = sorted({tuple(p[:n]) for p in phrases for n in range(len(p) + 1)} | {()}, key=len)
    after, reward = np.zeros((len(states), words), dtype=int), np.zeros((len(states), words))
    for (s, state), word in itertools.product(enumerate(states), range(words)):
        text = (*state, word)
        after[s, word] = next(states.index(text[k:]) for k in range(len(text) + 1) if text[k:] in states)
        reward[s, word] = bonus * sum(len(p) for p in phrases if text[-len(p) :] == tuple(p))
    return after, reward, np.zeros(len(states))


def pays_the_longest_only(phrases, words, bonus):
    """Of several phrases that end with the same word only the longest is paid: each of them was said."""
    states = sorted({tuple(p[:n]) for p in phrases for n in range(len(p) + 1)} | {()}, key=len)
    begun = [max((len(s) - k for k in range(len(s)) if any(len(p) > len(s) - k and tuple(p[: len(s) - k]) == s[k:]
                  for p in phrases)), default=0) for s in states]  # fmt: skip
    after, reward = np.zeros((len(states), words), dtype=int), np.zeros((len(states), words))
    for (s, state), word in itertools.product(enumerate(states), range(words)):
        text = (*state, word)
        end = next(text[k:] for k in range(len(text) + 1) if text[k:] in states)
        after[s, word] = states.index(end)
        ended = len(end) if list(end) in phrases else 0
        reward[s, word] = bonus * (begun[after[s, word]] - begun[s] + ended)
    return after, reward, [-bonus * one for one in begun]


STATES = "states = sorted({tuple(p[:n]) for p in phrases for n in range(len(p) + 1)} | {()}, key=len)"

HOTWORDS = Exercise(
    name="hotwords.automaton",
    title="Hotwords that pay back",
    function="hotword_automaton",
    points=30,
    minutes=90,
    cases=hot_phrases,
    oracle=automaton_of_beginnings,
    judge=judge_automata,
    hints=(
        "What must the automaton remember of all that was said? Take the phrases new york and york minster, and say:"
        " new york minster. Which states do you pass?",
        "A state for every beginning of a phrase is enough. A word leads to the longest end of state and word together"
        " that is such a beginning. Give each state a number: the words that are paid in advance there.",
        "In advance stands the longest end of the state that begins a phrase and does not complete it. A word earns the"
        " bonus times: advance after, less advance before, plus the lengths of all phrases that it completes.",
    ),
    right=(automaton_of_beginnings, automaton_with_failure_arcs, automaton_of_histories),
    mistakes=(
        starts_again_at_the_root,
        keeps_the_advance,
        forgets_the_end,
        pays_at_the_end_only,
        pays_the_longest_only,
    ),
    forbidden=("asrlab.language", "asrlab.decode"),
    survivors={
        f"{STATES} | 1 -> 0": "A phrase that is complete is remembered by its longest end that begins another.",
        f"{STATES} | 1 -> 2": "A slice that reaches beyond the end gives the whole phrase a second time.",
    },
)

SET = ExerciseSet("2-core-concepts", "Words that are known beforehand", "book/2-core-concepts/index", (TRIE, HOTWORDS))
