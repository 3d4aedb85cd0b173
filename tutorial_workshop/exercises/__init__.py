"""The exercises of the notebooks, each in two places.

``exercise_NN.yaml`` holds what is text or a table, exercise name -> its parts::

    00-hit:
      task: what to write, in one sentence
      hints: three of them, from a nudge to nearly the code
      given: {titles: '["Alpha", "Beta"]'}        # optional: names that the calls below use
      cases:                                      # optional: calls worked out by hand
        - call: hit_at_k(["x", "y", "a"], "a", 3)
          expect: 1.0
          mistakes: {1 / 3: what led to this wrong value}    # optional
          otherwise: what to say about any other value       # optional
          stopped: what to add where the call raises         # optional

``exercise_NN.py`` holds the checks that need code (``CHECKS``), where there are any.
``call``, the values in ``given`` and the keys of ``mistakes`` are Python, and so is ``expect``
where it is a text; ``math`` and ``np`` are known. The cases come first, in their order, then the
checks, and the first mistake is shown: put the most specific first.

The solution stands in the source of the notebook, between ``# SOLUTION BEGIN`` and
``# SOLUTION END``, and is the reference too.
"""
