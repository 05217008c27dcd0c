# Every target makes its own .venv when there is none. To use an environment of your own (with the PyTorch of your GPU, say): make VENV=path ...
VENV ?= .venv
PYTHON ?= python3
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test slow long check docs wheel bench pictures tables clean

demo: $(STAMP)
	rm -rf demo
	mkdir -p demo/submissions demo/pictures
	cp leaderboard/submissions/*.csv demo/submissions/
	$(RUN)/physbench generate balls4mass64 --train 1000 --valid 100 --test 100 --out demo/balls.h5
	$(RUN)/physbench verify demo/balls.h5
	$(RUN)/physbench show demo/balls.h5 --index 68 --out demo/balls.html
	$(RUN)/physbench eval copy --suite smoke --per-sequence demo/copy.npz
	$(RUN)/physbench eval r-nem --suite smoke --csv demo/r-nem.csv --per-sequence demo/r-nem.npz --report demo/report
	$(RUN)/physbench compare demo/r-nem.npz demo/copy.npz
	$(RUN)/physbench show --model r-nem --suite balls --index 3 --rollout 10 --out demo/pictures/r-nem.png
	$(RUN)/physbench leaderboard add demo/r-nem.csv --folder demo/submissions
	$(RUN)/physbench leaderboard show --suite smoke --folder demo/submissions
	$(RUN)/physbench leaderboard build --folder demo/submissions --pictures demo/pictures --out demo/site
	@echo "Open demo/site/index.html (the leaderboard), demo/report/index.html (one model), demo/balls.html (one sequence) in a browser."

test: $(STAMP)
	$(RUN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

slow: $(STAMP)
	$(RUN)/python -m pytest -m slow -n auto --dist loadfile --no-loadscope-reorder

long: $(STAMP)
	$(RUN)/python -m pytest -m long

check: $(STAMP)
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/pyright

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --quiet
	@echo "Open build/docs/index.html in a browser."

wheel:
	rm -rf dist
	$(PYTHON) -m pip wheel --quiet --no-deps --wheel-dir dist .

bench: $(STAMP)
	$(RUN)/python -m benchmarks

pictures: $(STAMP)
	$(RUN)/physbench show balls4mass64 --index 68 --out docs/pictures/balls4mass64.png
	$(RUN)/physbench show balls678mass64 --index 3 --out docs/pictures/balls678mass64.png
	$(RUN)/physbench show balls3curtain64 --index 268 --out docs/pictures/balls3curtain64.png
	$(RUN)/physbench show --model r-nem --suite balls --index 3 --every 7 --out docs/pictures/r-nem.png
	$(RUN)/physbench show invaders84 --index 3 --out docs/pictures/invaders84.png
	$(RUN)/physbench show multi-dsprites --index 2 --out docs/pictures/multi-dsprites.png
	$(RUN)/physbench show multi-dsprites-binary --index 1 --out docs/pictures/multi-dsprites-binary.png
	$(RUN)/physbench show tetris --index 2 --out docs/pictures/tetris.png
	$(RUN)/physbench show shapes --index 2 --out docs/pictures/shapes.png
	$(RUN)/physbench show --model r-sqair-in.balls4mass64-crop50 --suite extrapolation --index 3 --rollout 5 --every 2 --out docs/pictures/sqair.png
	$(RUN)/physbench show --model iodine.shapes --suite segmentation-shapes --index 3 --out docs/pictures/iodine.png
	$(RUN)/physbench show --model slot-attention.shapes --suite segmentation-shapes --index 3 --out docs/pictures/slot-attention.png
	$(RUN)/physbench leaderboard draw --suite simulation --overwrite --out docs/pictures/simulation.svg

tables: $(STAMP)
	$(RUN)/python -m physbench_baselines.releasing.tables

$(STAMP): pyproject.toml constraints.txt
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

clean:
	rm -rf demo .pytest_cache .hypothesis .ruff_cache build dist
