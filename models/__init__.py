"""Networks, their registry, their weights and their training. Knows no service: no queue, no store, no HTTP.

`models.cards` reads the cards without torch; `models.registry` turns a card into a frozen network.
"""
