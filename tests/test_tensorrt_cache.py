"""Kept engines: found, missed, damaged, of another machine, evicted; with the real builder."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgert
from edgert.builds import keep, shelf
from edgert.builds.cache import Cache, default_folder, limit_bytes
from edgert.builds.key import Key
from edgert.builds.manifest import Manifest, fallback_of, manifest_path
from edgert.builds.options import size_bytes
from edgert.errors import CacheWarning, EngineMismatchError, ModelError

from tensorrt_models import Gpus, build, names, needs_builder, small

pytestmark = needs_builder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def network(tmp_path):
    return small(tmp_path / "net.onnx")


def changed(path: Path, **environment: str | None) -> None:
    """As if the engine had been built in another environment."""
    manifest = manifest_path(path)
    content = json.loads(manifest.read_text())
    content["key"]["environment"].update(environment)
    key = Key(**content["key"])
    other = Cache(path.parent, 0).path(key)
    path.rename(other)
    manifest.unlink()
    manifest_path(other).write_text(json.dumps(content))


# Hits and misses.


def test_the_second_time_it_is_there(network, cache):
    first, second = build(network, cache), build(network, cache)
    assert (first.cached, second.cached) == (False, True)
    assert second.path == first.path
    assert second.manifest == first.manifest
    assert os.fspath(second) == str(second) == str(first.path)
    assert names(cache) == {first.path.name, f"{first.path.name}.json"}
    # A model that lies elsewhere, or is called otherwise, is the same model.
    shutil.copy(network, cache.parent / "copy.onnx")
    assert build(cache.parent / "copy.onnx", cache).path == first.path


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "fp16"},
        {"optimization_level": 1},
        {"workspace_bytes": 1 << 24},
        {"sparse_weights": True},
        {"compute_capability": "8.9"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_every_option_is_part_of_the_key(network, cache, options):
    plain = build(network, cache)
    other = edgert.build(network, cache=cache, **{"compute_capability": "8.6", **options})
    assert not other.cached
    assert other.path != plain.path
    assert build(network, cache).cached


def test_a_changed_weight_is_another_model(network, cache):
    build(network, cache)
    model = onnx.load(network)
    weights = np.frombuffer(model.graph.initializer[0].raw_data, np.float32).copy()
    weights[0] = np.nextafter(weights[0], 1, dtype=np.float32)
    model.graph.initializer[0].raw_data = weights.tobytes()
    onnx.save(model, network)
    assert not build(network, cache).cached


@settings(derandomize=True, deadline=None)
@given(
    st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=4),
    st.dictionaries(st.text(), st.none() | st.text(), max_size=3),
    st.sampled_from(["request", "environment"]),
    st.text(),
    st.text(),
)
def test_keys_are_equal_where_all_of_them_is(request_, environment, part, name, value):
    key = Key(request_, environment)
    turned = [dict(reversed(list(each.items()))) for each in (request_, environment)]
    assert Key(*turned).digest == key.digest
    content = {"request": request_, "environment": environment}
    content[part] = {**content[part], name: value}
    other = Key(**content)
    same = {"request": request_, "environment": environment}[part].get(name, None) == value
    assert (other.digest == key.digest) == same


def test_no_cache_builds_anew_and_leaves_nothing(network, cache, monkeypatch):
    monkeypatch.setenv("EDGERT_CACHE", str(cache))
    first, second = (edgert.build(network, compute_capability="8.6", cache=False) for _ in "ab")
    assert not first.cached
    assert not second.cached
    assert first.path != second.path
    assert first.path.exists()
    assert not cache.exists()
    call = "edgert.build(sys.argv[1], compute_capability='8.6', cache=False)"
    probe = f"import edgert, sys; print({call})"
    done = subprocess.run(
        [sys.executable, "-c", probe, network], capture_output=True, text=True, check=True
    )
    assert not Path(done.stdout.strip()).exists()


def test_where_the_cache_is(monkeypatch, tmp_path):
    monkeypatch.delenv("EDGERT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "edgert"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "edgert"
    monkeypatch.setenv("EDGERT_CACHE", "/engines")
    assert default_folder() == Path("/engines")
    monkeypatch.setenv("EDGERT_CACHE_LIMIT", "500m")
    assert limit_bytes() == 500 << 20
    monkeypatch.setenv("EDGERT_CACHE_LIMIT", "much")
    with pytest.raises(ValueError, match="EDGERT_CACHE_LIMIT: 'much' is no size"):
        limit_bytes()
    assert [size_bytes(text) for text in ("7", "2K", "4G")] == [7, 2048, 4 << 30]


# Damage.


def damage_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        damage_byte,
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.unlink(),
        lambda path: manifest_path(path).write_text("{"),
        lambda path: manifest_path(path).write_text('{"format": "edgert engine", "version": 1}'),
    ],
    ids=["byte", "truncated", "gone", "manifest", "empty manifest"],
)
def test_a_damaged_engine_is_built_anew(network, cache, damage):
    first = build(network, cache)
    damage(first.path)
    with pytest.warns(CacheWarning, match=r"fp32\.sm8\.6\..*\.engine: the kept engine is damaged"):
        second = build(network, cache)
    assert not second.cached
    assert second.manifest.fits(second.path)
    assert build(network, cache).cached


def test_an_engine_without_a_manifest_is_none(network, cache):
    """What a power cut between the two leaves."""
    first = build(network, cache)
    manifest_path(first.path).unlink()
    assert not build(network, cache).cached
    assert build(network, cache).cached


# Mismatches.


def test_another_version_is_named_and_built_anew(network, cache):
    first = build(network, cache)
    changed(first.path, version="1.6.0")
    found = first.manifest.key.environment["version"]
    with pytest.raises(ModelError, match=rf"runtime: built with 1\.6\.0, found {found}"):
        build(network, cache, on_mismatch="error")
    with pytest.warns(CacheWarning, match=rf"runtime: built with 1\.6\.0, found {found}.* anew"):
        assert not build(network, cache).cached
    # Both are kept: two versions may share a cache.
    assert len(names(cache)) == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert build(network, cache, on_mismatch="error").cached


def test_without_tf32_it_is_another_engine(network, cache):
    first = build(network, cache)
    exact = build(network, cache, precision="fp32")
    assert not exact.cached
    assert exact.path != first.path
    assert first.manifest.precision == exact.manifest.precision == "fp32"


def test_another_gpu_and_driver_are_named(monkeypatch, network, cache):
    """A cache that was copied from another machine."""
    from edgert import installed

    Gpus(86).put_in(monkeypatch)
    monkeypatch.setattr(installed, "driver", lambda _: "570.1")
    made = edgert.build(network, cache=cache)
    assert made.manifest.key.environment["driver"] == "570.1"
    assert made.manifest.versions["driver"] == "570.1"
    Gpus(89).put_in(monkeypatch)
    monkeypatch.setattr(installed, "driver", lambda _: "580.2")
    with pytest.raises(EngineMismatchError) as caught:
        edgert.build(network, cache=cache, on_mismatch="error")
    assert caught.value.built_with == "compute capability 8.6, driver 570.1"
    assert caught.value.found == "compute capability 8.9, driver 580.2"
    assert "compute capability: built with 8.6, found 8.9" in str(caught.value)
    assert "driver: built with 570.1, found 580.2" in str(caught.value)
    # Ahead of time the driver is that of a machine which is not here.
    assert build(network, cache).manifest.key.environment["driver"] is None


# Another place.


def test_an_output_is_made_like_a_target_of_make(network, cache, tmp_path):
    out = tmp_path / "net.engine"
    first = build(network, cache, output=out)
    assert first.path == out
    assert not cache.exists()
    assert Manifest.load(out) == first.manifest
    assert build(network, cache, output=out).cached
    assert not build(network, cache, output=out, precision="fp16").cached
    content = json.loads(manifest_path(out).read_text())
    content["key"]["environment"]["version"] = "1.6.0"
    manifest_path(out).write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"built with 1\.6\.0, found"):
        build(network, cache, output=out, precision="fp16", on_mismatch="error")
    with pytest.warns(CacheWarning, match=r"built with 1\.6\.0, found"):
        assert not build(network, cache, output=out, precision="fp16").cached
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match=r"file/net.engine: the engine cannot be written"):
        build(network, cache, output=tmp_path / "file" / "net.engine")


# A cache that cannot be used.


def test_a_cache_that_is_no_folder_costs_a_warning(network, cache):
    cache.touch()
    with pytest.warns(CacheWarning, match=r"the cache cannot be written .* set EDGERT_CACHE"):
        made = build(network, cache)
    assert made.manifest.fits(made.path)
    assert made.path.is_relative_to(keep._folder())


def test_without_a_home_there_is_no_cache_and_a_warning(network, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("EDGERT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.warns(CacheWarning, match=r"HOME is not set and user \d+ has no home"):
        made = build(network, True)
    assert made.path.is_relative_to(keep._folder())


@pytest.mark.parametrize("failing", ["engine", "manifest"])
def test_a_full_disk_costs_a_warning_and_leaves_nothing(network, cache, monkeypatch, failing):
    write = shelf.write_atomically

    def full(path, content):
        if str(path).startswith(str(cache)) and failing == "engine":
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    def save(self, engine, done=Manifest.save):
        if str(engine).startswith(str(cache)) and failing == "manifest":
            raise OSError(errno.ENOSPC, "No space left on device")
        done(self, engine)

    monkeypatch.setattr(shelf, "write_atomically", full)
    monkeypatch.setattr(Manifest, "save", save)
    with pytest.warns(CacheWarning, match="No space left on device"):
        made = build(network, cache)
    assert made.manifest.fits(made.path)
    assert names(cache) == set()


def test_a_full_disk_everywhere_is_an_error(network, cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shelf, "write_atomically", full)
    with (
        pytest.warns(CacheWarning, match="cannot be written"),
        pytest.raises(ModelError, match=r"cannot be written there either: .* No space left"),
    ):
        build(network, cache)
    assert names(cache) == set()


def test_a_cache_that_cannot_be_written_is_read(network, cache, monkeypatch):
    first = build(network, cache)

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(os, "open", refuse)
    assert build(network, cache).path == first.path


# The limit.


def test_what_was_not_used_for_longest_goes_first(tmp_path, cache, monkeypatch):
    paths = []
    for seed in range(3):
        made = build(small(tmp_path / f"net{seed}.onnx", seed=seed), cache)
        os.utime(manifest_path(made.path), (seed, seed))
        paths.append(made.path)
    size = paths[0].stat().st_size
    # The first is used again, and so the second goes.
    assert build(tmp_path / "net0.onnx", cache).cached
    monkeypatch.setenv("EDGERT_CACHE_LIMIT", str(3 * size + size // 2))
    last = build(small(tmp_path / "net3.onnx", seed=3), cache)
    assert [path.exists() for path in (*paths, last.path)] == [True, False, True, True]
    assert not manifest_path(paths[1]).exists()
    # What is larger than the limit is kept alone; what others build is left to them.
    monkeypatch.setenv("EDGERT_CACHE_LIMIT", "1")
    with shelf.locked(paths[0]):
        only = build(small(tmp_path / "net4.onnx", seed=4), cache)
        assert [path.exists() for path in (*paths, only.path)] == [True, False, False, True]


def test_what_killed_builders_left_is_removed(network, cache):
    made = build(network, cache)
    draft, fresh = cache / ".x.engine.1.2", cache / ".y.engine.1.2"
    lock = cache / ".z.engine.lock"
    for path in (draft, fresh, lock):
        path.write_text("half")
    os.utime(draft, (1, 1))
    with shelf.locked(cache / "w.engine"):
        Cache(cache, 1 << 30).evict()
        assert names(cache) == {
            made.path.name,
            f"{made.path.name}.json",
            fresh.name,
            ".w.engine.lock",
        }


# The fallback.


def test_the_fallback_is_built_beside_it(tmp_path, cache):
    plain = small(tmp_path / "net.onnx")
    changed_model = small(tmp_path / "net.int8.onnx", seed=1)
    made = build(changed_model, cache, fallback=plain)
    assert made.fallback is not None
    assert made.fallback.manifest.precision == "fp16"
    assert Manifest.load(made).fallback == made.fallback.path.name
    assert fallback_of(made) == made.fallback.path
    assert fallback_of(made.fallback) is None
    # It is remembered by who does not ask for it, and found by who asks later.
    assert fallback_of(build(changed_model, cache)) == made.fallback.path
    alone = build(plain, cache)
    assert fallback_of(alone) is None
    assert build(plain, cache, fallback=plain).fallback.cached
    assert fallback_of(alone) == made.fallback.path
    made.fallback.path.unlink()
    assert fallback_of(made) is None
    out = tmp_path / "out" / "net.engine"
    shipped = build(changed_model, cache, fallback=plain, output=out)
    assert fallback_of(shipped) == out.with_name("net.fallback.engine")
    with pytest.raises(ModelError, match="no manifest"):
        fallback_of(tmp_path / "other.engine")


def test_a_fallback_that_cannot_be_noted_is_there_all_the_same(tmp_path, cache, monkeypatch):
    """A cache that others fill, and this user cannot write."""
    plain = small(tmp_path / "net.onnx")
    changed_model = small(tmp_path / "net.int8.onnx", seed=1)
    build(plain, cache, precision="fp16")
    build(changed_model, cache)

    def read_only(*_):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Manifest, "save", read_only)
    with pytest.warns(CacheWarning, match="Read-only file system.*fallback=True will not find"):
        made = build(changed_model, cache, fallback=plain)
    assert made.cached
    assert made.fallback.cached
    assert fallback_of(made) is None
