from __future__ import annotations

import multiprocessing

from skep.ids import TASK, new_id, new_nonce


def hand_out(found):
    found.put([(new_id(TASK), new_nonce()) for _ in range(300)])


def test_forked_processes_hand_out_other_ids_and_nonces():
    context = multiprocessing.get_context("fork")
    found = context.SimpleQueue()
    children = [context.Process(target=hand_out, args=(found,)) for _ in range(2)]
    for child in children:
        child.start()
    hand_out(found)
    pairs = [pair for _ in range(3) for pair in found.get()]
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    for unique in zip(*pairs, strict=True):
        assert len(set(unique)) == 900
