"""Attention: against loops, torch (fused kernel, MultiheadAttention, our own models), enumeration and differences."""

from itertools import product

import numpy as np
import pytest
import torch

from asrlab.core.errors import AsrlabError
from asrlab.models.decoder import AttentionDecoder, DecoderOptions
from asrlab.models.layers import SelfAttention
from asrlab.models.layers import chunk_mask as fast_chunk_mask
from asrlab.models.layers import rotary as fast_rotary
from asrlab.scratch import attention as scratch

RANDOM = np.random.default_rng(7)


def normal(*shape):
    return RANDOM.standard_normal(shape)


def as_torch(*arrays):
    return (torch.from_numpy(np.asarray(a, dtype=np.float64)) for a in arrays)


# --- looking up -----------------------------------------------------------------------------------


@pytest.mark.equation("soft-lookup")
def test_a_sure_score_looks_up_one_value_and_equal_scores_read_the_mean():
    V = normal(5, 3)
    c, alpha = scratch.look_up(np.array([0, 0, 500.0, 0, 0]), V)
    np.testing.assert_allclose(c, V[2])
    assert alpha.sum() == pytest.approx(1)
    c, _ = scratch.look_up(np.full(5, 3.0), V)
    np.testing.assert_allclose(c, V.mean(axis=0))


@pytest.mark.equation("attention")
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_a_lookup_for_each_query_and_torchs_fused_kernel(masked):
    Q, K, V = normal(4, 6), normal(7, 6), normal(7, 3)
    mask = RANDOM.random((4, 7)) < 0.6 if masked else None
    if masked:
        mask[:, 2] = True
    found = scratch.attention(Q, K, V, mask)
    for u in range(4):
        seen = np.flatnonzero(mask[u]) if masked else np.arange(7)
        scores = np.array([sum(Q[u, i] * K[t, i] for i in range(6)) / 6**0.5 for t in seen])
        np.testing.assert_allclose(found[u], scratch.look_up(scores, V[seen])[0])
    theirs = torch.nn.functional.scaled_dot_product_attention(
        *as_torch(Q, K, V), attn_mask=None if mask is None else torch.from_numpy(mask)
    )
    np.testing.assert_allclose(found, theirs)


def test_softmax_neither_overflows_nor_accepts_a_query_that_sees_nothing():
    weights = scratch.softmax(np.array([[1e4, 1e4 - 1, -1e4]]))
    np.testing.assert_allclose(weights, [[1 / (1 + np.exp(-1)), 1 / (1 + np.e), 0]])
    with pytest.raises(AsrlabError, match="look nowhere"):
        scratch.softmax(np.zeros((2, 3)), np.array([[True, False, False], [False] * 3]))
    with pytest.raises(AsrlabError, match="queries of 4 numbers, keys of 5"):
        scratch.attention(normal(2, 4), normal(3, 5), normal(3, 5))


# --- why the root ---------------------------------------------------------------------------------


@pytest.mark.equation("score-variance")
def test_variance_of_a_product_against_all_outcomes():
    """Entries that take one of two values, with unequal odds: every outcome of q and k of two entries is listed."""
    q_values, k_values = normal(2, 2), normal(2, 2)
    odds = np.array([0.3, 0.7])
    outcomes = []
    for i, j, k, m in product(range(2), repeat=4):
        p = odds[i] * odds[j] * odds[k] * odds[m]
        outcomes.append((p, q_values[0, i] * k_values[0, k] + q_values[1, j] * k_values[1, m]))
    mean = sum(p * x for p, x in outcomes)
    expected = sum(p * (x - mean) ** 2 for p, x in outcomes)
    moments = [(v @ odds, (v - (v @ odds)[:, None]) ** 2 @ odds) for v in (q_values, k_values)]
    assert scratch.score_variance(*moments[0], *moments[1]) == pytest.approx(expected)
    for d_k in (1, 64):
        zero, one = np.zeros(d_k), np.ones(d_k)
        assert scratch.score_variance(zero, one, zero, one) == d_k
        measured = (normal(20000, d_k) * normal(20000, d_k)).sum(axis=1).var()
        assert measured == pytest.approx(d_k, rel=0.1)


@pytest.mark.equation("softmax-gradient")
def test_gradient_of_softmax_against_differences():
    scores, step = normal(6), 1e-6
    columns = []
    for s in range(6):
        nudge = step * (np.arange(6) == s)
        columns.append((scratch.softmax(scores + nudge) - scratch.softmax(scores - nudge)) / (2 * step))
    np.testing.assert_allclose(scratch.softmax_gradient(scratch.softmax(scores)), np.stack(columns, 1), atol=1e-9)


# --- who may look where ---------------------------------------------------------------------------


@pytest.mark.equation("chunk-mask")
@pytest.mark.parametrize(("chunk", "left"), [(1, None), (3, None), (3, 0), (2, 1), (10, None)])
def test_chunk_masks_place_by_place(chunk, left):
    T = 7
    found = scratch.chunk_mask(T, chunk, left)
    for t, s in product(range(T), repeat=2):
        first = 0 if left is None else (t // chunk - left) * chunk
        end = (t // chunk + 1) * chunk  # of the chunk that t lies in
        assert found[t, s] == (first <= s < end)
    assert (found == fast_chunk_mask(T, chunk, -1 if left is None else left).numpy()).all()


def test_a_masked_place_may_hold_anything():
    Q, K, V = normal(5, 4), normal(6, 4), normal(6, 4)
    found = scratch.attention(Q, K, V, scratch.padding_mask(4, 6))
    K[4:], V[4:] = 1e3, -1e3
    np.testing.assert_array_equal(scratch.attention(Q, K, V, scratch.padding_mask(4, 6)), found)
    np.testing.assert_allclose(found, scratch.attention(Q, K[:4], V[:4]))
    X = normal(6, 4)
    before = scratch.attention(X, X, X, scratch.causal_mask(6))
    X[5] += 1
    after = scratch.attention(X, X, X, scratch.causal_mask(6))
    np.testing.assert_array_equal(before[:5], after[:5])
    assert not np.allclose(before[5], after[5])


# --- order ----------------------------------------------------------------------------------------


@pytest.mark.equation("permutation-equivariance")
def test_self_attention_knows_no_order_until_it_is_told_positions():
    X = normal(8, 6)
    heads = [[normal(6, 3) for _ in range(3)] for _ in range(2)]
    W_O = normal(6, 6)

    def layer(X):
        return scratch.multi_head(X, X, X, heads, W_O)

    def told(X):
        return layer(X + scratch.sinusoidal_positions(8, 6))

    for _ in range(20):
        order = RANDOM.permutation(8)
        assert scratch.equivariance_gap(layer, X, order) < 1e-12
    assert scratch.equivariance_gap(told, X, [1, 0, *range(2, 8)]) > 0.01
    causal = scratch.causal_mask(8)
    assert scratch.equivariance_gap(lambda X: scratch.attention(X, X, X, causal), X, [*range(1, 8), 0]) > 0.01


@pytest.mark.equation("sinusoidal-positions")
def test_sinusoids_a_distance_apart_have_one_product_and_one_turn_between_them():
    P = scratch.sinusoidal_positions(60, 16)
    for i in range(0, 16, 2):
        np.testing.assert_allclose(P[:, i], np.sin(np.arange(60) / 10000 ** (i / 16)))
    for distance in (0, 3, 11):
        products = [P[t] @ P[t + distance] for t in range(40)]
        np.testing.assert_allclose(products, products[0])
        turn = np.linalg.lstsq(P[:40], P[distance : 40 + distance], rcond=None)[0]
        np.testing.assert_allclose(P[20:40] @ turn, P[20 + distance : 40 + distance], atol=1e-6)
    with pytest.raises(AsrlabError, match="even"):
        scratch.sinusoidal_positions(4, 5)


@pytest.mark.equation("rotary-positions")
def test_rotated_queries_and_keys_meet_at_their_distance_alone():
    q, k = normal(1, 8), normal(1, 8)

    def score(t, s):
        return (scratch.rotary_positions(q, t) @ scratch.rotary_positions(k, s).T).item()

    for t, s in ((0, 0), (5, 2), (2, 5)):
        assert score(t + 30, s + 30) == pytest.approx(score(t, s))
    assert score(0, 0) == pytest.approx((q @ k.T).item())
    X = normal(12, 8)
    np.testing.assert_allclose(scratch.rotary_positions(X), fast_rotary(torch.from_numpy(X)), atol=1e-6)


# --- heads and streams ----------------------------------------------------------------------------


@pytest.mark.equation("head")
@pytest.mark.equation("multi-head")
@pytest.mark.equation("cross-attention")
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_heads_against_torchs_multi_head_attention_with_copied_weights(heads):
    D, d = 8, 8 // heads
    theirs = torch.nn.MultiheadAttention(D, heads, bias=False, dtype=torch.float64)
    W_Q, W_K, W_V = (part.detach().numpy().T for part in theirs.in_proj_weight.chunk(3))
    W_O = theirs.out_proj.weight.detach().numpy().T
    X, Z = normal(5, D), normal(9, D)
    mask = scratch.padding_mask(6, 9)
    matrices = [[W[:, i * d : (i + 1) * d] for W in (W_Q, W_K, W_V)] for i in range(heads)]
    ask, answer = as_torch(X, Z)
    expected, weights = theirs(
        ask, answer, answer, key_padding_mask=~torch.from_numpy(mask[0]), average_attn_weights=False
    )
    found = scratch.multi_head(X, Z, Z, matrices, W_O, mask)
    np.testing.assert_allclose(found, expected.detach())
    one = scratch.cross_attention(X, Z, *matrices[0], mask)
    np.testing.assert_allclose(one, scratch.head(X, Z, Z, *matrices[0], mask))
    np.testing.assert_allclose(one, weights[0].detach().numpy() @ (Z @ matrices[0][2]))
    alone = scratch.cross_attention(X, X, *matrices[0])
    np.testing.assert_allclose(alone, scratch.attention(*(X @ W for W in matrices[0])))


def test_the_layer_that_the_encoders_use_is_multi_head_attention_with_rotary_positions(one_thread):
    torch.manual_seed(3)
    D, heads, T = 16, 2, 9
    layer = SelfAttention(D, heads).double()
    X = normal(T, D)
    W, b = (p.detach().numpy() for p in (layer.project_in.weight, layer.project_in.bias))
    q, k, v = np.split(X @ W.T + b, 3, axis=1)
    mixed = []
    for i in range(heads):
        part = slice(i * D // heads, (i + 1) * D // heads)
        turned = (scratch.rotary_positions(x[:, part]) for x in (q, k))
        mixed.append(scratch.attention(*turned, v[:, part], scratch.chunk_mask(T, 3)))
    W, b = (p.detach().numpy() for p in (layer.project_out.weight, layer.project_out.bias))
    expected = np.concatenate(mixed, axis=1) @ W.T + b
    with torch.no_grad():
        found = layer(torch.from_numpy(X)[None], fast_chunk_mask(T, 3, -1)[None, None])[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


# --- listen, attend and spell ---------------------------------------------------------------------


@pytest.mark.equation("las-context")
@pytest.mark.equation("location-energy")
@pytest.mark.equation("attention-centre")
def test_energies_and_context_are_those_of_the_decoder(one_thread):
    """Three letters through our decoder, its weights copied; each of its looks recomputed from its own state."""
    torch.manual_seed(5)
    decoder = AttentionDecoder(6, 9, DecoderOptions(10, 7, location_channels=3, location_kernel=5)).double().eval()
    H, tokens = normal(8, 6), [4, 2, 7]
    state = decoder.start(torch.from_numpy(H)[None], torch.tensor([8]))
    W, U, L, w = (p.weight.detach().numpy().T for p in (decoder.query, decoder.key, decoder.locate, decoder.energy))
    b, F = decoder.key.bias.detach().numpy(), decoder.location.weight.detach().numpy()[:, 0]
    weights = []
    with torch.no_grad():
        for token in [0, *tokens]:
            looked = state.looked[0].numpy()
            _, state = decoder.step(state, torch.tensor([token]))
            energies = scratch.location_energies(state.hidden[0].numpy(), H, looked, W, U, b, F, L, w[:, 0])
            heard, alpha = scratch.context(energies, H)
            np.testing.assert_allclose(heard, state.context[0], atol=1e-6)
            np.testing.assert_allclose(alpha, state.looked[0].numpy() - looked, atol=1e-6)
            weights.append(alpha)
        _, theirs = decoder(torch.from_numpy(H)[None], torch.tensor([8]), torch.tensor([tokens]))
    np.testing.assert_allclose(np.stack(weights), theirs[0], atol=1e-6)
    expected = [sum(t * alpha[t] for t in range(8)) for alpha in weights]
    np.testing.assert_allclose(scratch.centres(np.stack(weights)), expected)


@pytest.mark.equation("attention-spread")
@pytest.mark.parametrize("n", [1, 2, 5, 12])
def test_weights_that_are_equal_on_n_frames_are_spread_over_n(n):
    alpha = np.zeros((1, 12))
    alpha[0, RANDOM.permutation(12)[:n]] = 1 / n
    assert scratch.spread(alpha) == pytest.approx(n)
    mixed = RANDOM.dirichlet(np.ones(12), 3)
    expected = torch.distributions.Categorical(torch.from_numpy(mixed)).entropy().exp()
    np.testing.assert_allclose(scratch.spread(mixed), expected)


def test_share_forward_tells_a_walk_from_a_jump_back():
    assert scratch.share_forward(np.eye(6)) == 1
    assert scratch.share_forward(np.eye(6)[[0, 1, 3, 2, 5]]) == 0.75
    assert scratch.share_forward(np.eye(6)[:1]) == 1


# --- cost -----------------------------------------------------------------------------------------


@pytest.mark.equation("attention-cost")
def test_cost_is_what_the_matrix_products_count():
    """The shapes of the products that a layer does, counted one by one."""
    T, D = 11, 6

    def product_cost(a, b):
        assert a[1] == b[0]
        return a[0] * a[1] * b[1]

    projections = 4 * product_cost((T, D), (D, D))
    assert scratch.attention_cost(T, D) == projections + product_cost((T, D), (D, T)) + product_cost((T, T), (T, D))
    assert scratch.attention_cost(T, D, seen=4) == projections + 2 * T * 4 * D
    assert scratch.attention_cost(T, D, seen=100) == scratch.attention_cost(T, D)
