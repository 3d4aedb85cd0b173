"""What serves the notebooks and the shell: pages, figures, exercises, commands, experiments, and
the proof of the audit.
"""
