"""The job store in Redis and the courier: the one door between the API and the workers, used by both sides.

Celery carries job ids and nothing else; Redis holds the truth; every change of a job is one Lua script.
Imports worker.contract, redis and celery only, so that the API needs no torch.
"""
