# exercise: refresh
# mistake: the index is made at each run, and the second time it is there already
# fails with: the job can run a second time
sql("CREATE UNIQUE INDEX bestsellers_product ON bestsellers (product_id)")
sql("REFRESH MATERIALIZED VIEW CONCURRENTLY bestsellers")
