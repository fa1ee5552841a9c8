# SPDX-License-Identifier: Apache-2.0
import threading

from panoptic_perception.runtime.mailbox import Mailbox


def test_put__newest_wins():
    box = Mailbox()
    assert [box.put(item) for item in 'abc'] == [None, 'a', 'b']
    assert box.take() == 'c'


def test_put__closed_box_returns_the_item():
    box = Mailbox()
    box.close()
    assert box.put('a') == 'a'
    assert box.take() is None


def test_clear():
    box = Mailbox()
    assert box.clear() is None
    box.put('a')
    assert box.clear() == 'a'
    assert box.clear() is None


def test_close__returns_the_waiting_item():
    box = Mailbox()
    box.put('a')
    assert box.close() == 'a'
    assert box.take() is None


def test_take__waits_for_put_and_for_close():
    box, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.extend([box.take(), box.take()]))
    thread.start()
    box.put('a')
    while box.put('a') is not None:  # until the first was taken
        pass
    box.close()
    thread.join(5)
    assert not thread.is_alive()
    assert taken[0] == 'a'
