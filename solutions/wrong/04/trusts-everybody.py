# exercise: client
# mistake: believes X-Forwarded-For whoever it comes from
# fails with: without a proxy of ours, nobody's word counts
hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
while hops and hops[-1] in trusted:
    hops.pop()
return hops[-1] if hops else peer
