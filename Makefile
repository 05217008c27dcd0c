# Every target makes its own .venv when there is none. To use an environment of your own (with the PyTorch of your GPU, say): make VENV=path ...
VENV ?= .venv
PYTHON ?= python3
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test slow check bench pictures clean

demo: $(STAMP)
	mkdir -p demo
	$(RUN)/physbench generate balls4mass64 --train 1000 --valid 100 --test 100 --out demo/balls.h5 --overwrite
	$(RUN)/physbench verify demo/balls.h5
	$(RUN)/physbench info demo/balls.h5
	$(RUN)/physbench show demo/balls.h5 --index 68 --out demo/balls.gif
	$(RUN)/physbench show demo/balls.h5 --index 68 --out demo/balls.html
	@echo "Open demo/balls.html in a browser."

test: $(STAMP)
	$(RUN)/python -m pytest -n auto

slow: $(STAMP)
	$(RUN)/python -m pytest -m slow

check: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright

bench: $(STAMP)
	$(RUN)/python -m benchmarks

pictures: $(STAMP)
	$(RUN)/physbench show balls4mass64 --index 68 --out docs/pictures/balls4mass64.png
	$(RUN)/physbench show balls678mass64 --index 3 --out docs/pictures/balls678mass64.png
	$(RUN)/physbench show balls3curtain64 --index 268 --out docs/pictures/balls3curtain64.png

$(STAMP): pyproject.toml constraints.txt
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf demo .pytest_cache .hypothesis .ruff_cache build dist
