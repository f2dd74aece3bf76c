"""Which text was said: Bayes' decision rule, and what becomes of it when the model has a prior of its own.

A *generative* model, such as a hidden Markov model, says how probable the sound is given the text, p(X | W); a language
model says how probable the text is, p(W). Their product decides (Jelinek, Proc. IEEE 1976). A network trained on
recordings with transcripts says p(W | X) instead, and has learned p(W) of the transcripts along the way. To put
another language model in its place, that prior has to be divided out first (McDermott et al., ASRU 2019).

All scores are logarithms, nats; a text is any key of the mappings.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from asrlab.core.equations import equation
from asrlab.core.errors import AsrlabError
from asrlab.scratch.hmm import Hmm, viterbi


@equation("decision-rule")
def decide(log_p_sound: Mapping[str, float], log_p_text: Mapping[str, float]) -> str:
    """The text W for which log p(X | W) + log p(W) is largest; of equals the first.

    Raises AsrlabError if there is no candidate, or if one of them has no probability as a text.
    """
    if not log_p_sound:
        raise AsrlabError("no candidates to decide among: pass log p(X | W) of one text at least")
    missing = [text for text in log_p_sound if text not in log_p_text]
    if missing:
        raise AsrlabError(f"log_p_text has no entry for {missing[0]!r}: give log p(W) of every candidate")
    return max(log_p_sound, key=lambda text: log_p_sound[text] + log_p_text[text])


@equation("hmm-decision")
def decide_among(models: Mapping[str, Hmm], x: np.ndarray, log_p_text: Mapping[str, float]) -> str:
    """`decide` with the best walk of each text's model (Viterbi) in place of the sum over all its walks.

    x  (T, F) frames, of the kind that the models learned from
    """
    best = {text: viterbi(model.pi, model.A, model.emission.log_b(x), model.end)[1] for text, model in models.items()}
    return decide(best, log_p_text)


@equation("fusion-corrected")
def corrected_score(
    log_p_model: float,
    log_p_lm: float,
    log_p_prior: float = 0.0,
    words: int = 0,
    lm_weight: float = 1.0,
    prior_weight: float = 0.0,
    word_bonus: float = 0.0,
) -> float:
    """The score of one text when a model of log p(W | X) meets a language model, nats.

    log_p_model  log p(W | X) of the network, its own prior included
    log_p_lm     log p(W) of the language model to be heard
    log_p_prior  log p(W) of what the network has learned from its transcripts, as well as it can be estimated
    prior_weight 0: shallow fusion. Above: density ratio (the prior is a separate model of the transcripts) or
                 internal language model (it is read off the network itself)
    """
    return log_p_model + lm_weight * log_p_lm - prior_weight * log_p_prior + word_bonus * words
