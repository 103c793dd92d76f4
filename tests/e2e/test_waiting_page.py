"""The page that a person sees while a workload wakes, in a real browser."""

from __future__ import annotations

import re
import time
from urllib.parse import urlsplit

import pytest
from tests.support.browser import browser
from tests.support.lives import living
from tests.support.waiting import wait_until

PAGE = "<!doctype html><title>notes</title><p id=own>The page of the workload.</p>"


@pytest.mark.needs("chromium")
def test_a_browser_sees_the_progress_and_ends_at_the_page_of_the_workload_by_itself(manager, tmp_path):
    life = {"ready_after": 2.5, "page": PAGE}
    url = manager.run_workload_detached(living(life=life, name="notes", idle_timeout="300ms"), wait=30).url
    wait_until(lambda: manager.get_workload("notes").asleep)
    seen: list[str] = []
    with browser(tmp_path / "profile") as page:
        page.open(f"http://{urlsplit(url).netloc}/")
        deadline = time.monotonic() + 120
        while not seen or "The page of the workload." not in seen[-1]:
            assert time.monotonic() < deadline, seen
            text = page.read("document.title + '\\n' + (document.body ? document.body.innerText : '')")
            if text and text.strip() and text not in seen:
                seen.append(text)
            time.sleep(0.02)
    assert seen[-1].startswith("notes\n")
    before = "\n".join(seen[:-1])
    assert "notes is waking" in before
    assert "This page opens by itself as soon as it is there." in before
    assert re.search(r"Waking for [1-9]\d* s", before)
