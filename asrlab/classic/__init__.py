"""The methods that the deep ones replaced, on the same corpora and with the same scoring: `gmm_hmm` recognises words
and sentences, `svm` and `mlp` sort recordings of single words.
"""
