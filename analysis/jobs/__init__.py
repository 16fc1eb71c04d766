"""Who trains, and what it is for.

- A training in a process: `worker` trains and reports, `process` is such a process, `pool` gives runs to several of
  them, `estimate` says how long they take.
- Many trainings: `sweep` trains them on a pool, through a `campaign`, or on an executor, by the loop in `executors`;
  a dask `cluster` is one, whose workers run `remote`. `outcome` is what becomes of each.
- A comparison: `grid` reads its plan, `fairness` makes what it trains equal, `compare` trains it, `judgement` says what
  came out.
"""
