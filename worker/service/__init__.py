"""Adapters between the contract and the world: the job store on Redis, Celery as the courier, processes.

Celery carries job ids and nothing else; Redis holds the truth; every change of a job is one Lua script.
"""
