"""How the words of scenetalk are pronounced, in ARPABET phones; of several pronunciations the commonest is first.

Broad on purpose: one entry serves all accents, so r is written where some of them drop it. For phones that are exact in
accent and time, see `scenetalk.phones_of`.
"""

_ENTRIES = """
a AH|EY; above AH B AH V; add AE D; an AE N|AH N; and AE N D|AH N; at AE T|AH T; away AH W EY; b B IY; bar B AA R
below B IH L OW; beside B IH S AY D; big B IH G; bigger B IH G ER; black B L AE K; blue B L UW; bottom B AA T AH M
brown B R AW N; c S IY; circle S ER K AH L; colour K AH L ER; cross K R AO S; d D IY; delete D IH L IY T
diamond D AY M AH N D|D AY AH M AH N D; draw D R AO; e IY; eight EY T; f EH F; find F AY N D; five F AY V; four F AO R
g JH IY; green G R IY N; grey G R EY; grow G R OW; h EY CH; heart HH AA R T; in IH N; is IH Z; j JH EY; k K EY; l EH L
left L EH F T; letter L EH T ER; m EH M; make M EY K; me M IY; middle M IH D AH L; moon M UW N; move M UW V; n EH N
next N EH K S T; nine N AY N; number N AH M B ER; on AA N; one W AH N; orange AO R AH N JH|AO R IH N JH; p P IY
paint P EY N T; pink P IH NG K; please P L IY Z; purple P ER P AH L; push P UH SH; put P UH T; q K Y UW; r AA R
red R EH D; remove R IH M UW V; right R AY T; ring R IH NG; s EH S; seven S EH V AH N; show SH OW; shrink SH R IH NG K
six S IH K S; small S M AO L; smaller S M AO L ER; square S K W EH R; star S T AA R; swap S W AA P; t T IY
take T EY K; ten T EH N; the DH AH|DH IY; three TH R IY; tiny T AY N IY; to T UW|T AH; top T AA P
triangle T R AY AE NG G AH L; turn T ER N; two T UW; under AH N D ER; v V IY; where W EH R; with W IH DH|W IH TH
x EH K S; yellow Y EH L OW; z Z EH D|Z IY
"""


def _read() -> dict[str, tuple[tuple[str, ...], ...]]:
    lexicon = {}
    for entry in _ENTRIES.replace("\n", ";").split(";"):
        if entry.strip():
            word, spoken = entry.split(maxsplit=1)
            lexicon[word] = tuple(tuple(phones.split()) for phones in spoken.split("|"))
    return lexicon


LEXICON = _read()  # word -> pronunciations
