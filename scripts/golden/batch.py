"""The batch every model is tested on: sub-trajectories of one question, and a stranger.

It is a tree of depth 4 with every shape that a tree can get wrong: a fork inside a word (siblings that share the
first tokens of their action), a fork at the first token of an action, identical siblings with different advantages,
a single-token action, a state reached by one action only (G = 1), an action that is the prefix of a later state, and
a sequence that shares nothing with the others.
"""

import random

VOCABULARY = 96  # every tiny model has at least these ids


def tokens(rng: random.Random, count: int) -> list[int]:
    return [rng.randrange(3, VOCABULARY) for _ in range(count)]


def make_batch(seed: int = 7) -> list[dict]:
    rng = random.Random(seed)
    prompt = tokens(rng, 11)
    batch: list[dict] = []

    def add(state: list[int], action: list[int], advantage: float) -> list[int]:
        batch.append(dict(tokens=state + action, actionStart=len(state), advantage=advantage))
        return state + action

    # Level 1: three actions that share two tokens (a fork inside a word), and an identical sibling.
    stem = tokens(rng, 2)
    first = add(prompt, stem + [10, 11, 12, 2], 1.0)
    add(prompt, stem + [10, 13, 14, 15, 2], -0.5)
    add(prompt, stem + [16, 2], 0.25)
    add(prompt, stem + [16, 2], -0.75)
    # Level 2, after the first action and an observation: a fork at the first token, one action of a single token.
    second_state = first + tokens(rng, 6)
    second = add(second_state, [20, 21, 22, 23, 2], 0.8)
    add(second_state, [24, 21, 22, 2], -1.25)
    add(second_state, [2], 0.5)
    # Level 3: G = 1.
    third_state = second + tokens(rng, 5)
    third = add(third_state, tokens(rng, 7) + [2], 1.5)
    # Level 4: two actions, one the prefix of the other.
    fourth_state = third + tokens(rng, 4)
    fork = tokens(rng, 4)
    add(fourth_state, fork, -0.6)
    add(fourth_state, fork + tokens(rng, 3) + [2], 0.9)
    # Another trajectory of the same question: it leaves inside the prompt's own tokens.
    other = prompt[:9] + tokens(rng, 8)
    add(other, tokens(rng, 5), -1.0)
    # Nothing in common with the rest: a tree with a second root. The state is one token long.
    alone = [(prompt[0] + 1) % VOCABULARY]
    add(alone, tokens(rng, 6), 0.7)
    return batch


def make_long(seed: int = 13) -> list[dict]:
    """Sixteen unrelated sequences, scored from their second token on: enough labels to compare rounding errors."""
    rng = random.Random(seed)
    return [dict(tokens=tokens(rng, 64), actionStart=1) for _ in range(16)]
