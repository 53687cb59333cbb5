from benchmarks.evidence.study import Done, Report
def report(settings, done: Done) -> Report:
    raise NotImplementedError
