"""What a model is worth on origins that it has not seen: pure functions of scores.

`pairs` chooses which origins are left out together, `resampling` and `table` make figures of the
scores, `within_photo` compares squares of one photo. `train.runs.abroad` fits the models.
"""
