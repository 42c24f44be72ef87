"""A whole class: platforms' exports go in, a folder with a record for each student and filled gradebooks come out.

`intake` reads exports into hand-ins, `roster` joins who they are, `folder` keeps a record for each student, `running`
grades what has none yet, `rescoring` shows what a new policy changes, `gradebook` fills what a platform exported.
"""
